/* contract 6.1: the connections in the queue of a slot that ends are served by another worker, whether it waits with epoll or is blocked
   in accept, and also if it has begun to listen, but not to wait. Afterwards the socket is gone, without anybody's coming: as long as it is
   there, newcomers whom the kernel sends to it wait. (One that sleeps in poll or select is not woken for them: a limit that docs/zero-downtime.md names.) */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 24

static const char *way;

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), strcmp(way, "accept") == 0 ? RIG_BLOCKING : 0);
    if (strcmp(way, "epoll") == 0)
        return rig_serve(&listener, 1);
    if (strcmp(way, "epoll, later") == 0) {
        if (cluster_worker_id() == 1) {
            say("worker 1 waits");
            gate_wait("go");
        }
        return rig_serve(&listener, 1);
    }
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        char request[1024], text[256], body[64];
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        CHECK_INT(recv(client, request, sizeof request, 0), >=, 0);
        int length = snprintf(body, sizeof body, "worker %u pid %d", cluster_worker_id(), (int)getpid());
        length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
        CHECK_INT(send(client, text, (size_t)length, MSG_NOSIGNAL), ==, length);
        close(client);
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = false};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    int connections[CONNECTIONS], lost = 0;
    char text[512];
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    bool is_late = strcmp(variant, "epoll, later") == 0;
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    if (is_late)
        app_wait_out(a, "worker 1 waits");
    else
        rig_wait_listening(a, 1, 1);
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(connections[i], >=, 0);
        rig_send(connections[i], "/");
    }
    /* What came to the other worker is answered; the rest waits in the queue. */
    lab_wait_for(300);
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    if (is_late) {
        lab_wait_for(1000); /* longer than queues are served that nobody waits in */
        gate_open("go");
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        lost += strcmp(rig_outcome(connections[i], CT_WAIT_MS, text, sizeof text), "answered") != 0;
        close(connections[i]);
    }
    CHECK_INT(lost, ==, 0);
    WAIT_UNTIL(proc_listeners(a->port) == 1);
    app_stop(a);
}

void test_main(void)
{
    one("epoll");
    one("accept");
    one("epoll, later");
}
