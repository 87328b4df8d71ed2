/* contract 6.3: a server that waits with poll, select or epoll for a *blocking* listener, and is woken by a connection that its replacement
   takes, is not caught in accept: the requests that it has are finished. */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *way;
static int listener, pipe_ends[2], set, client = -1;

static bool listener_is_ready(void)
{
    struct epoll_event events[4];
    struct pollfd fds[2] = {{.fd = listener, .events = POLLIN}, {.fd = pipe_ends[0], .events = POLLIN}};
    fd_set readable;
    if (strcmp(way, "epoll") == 0) {
        int count = epoll_wait(set, events, 4, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                return true;
        return false;
    }
    if (strcmp(way, "poll") == 0)
        return poll(fds, 2, -1) > 0 && fds[0].revents != 0;
    FD_ZERO(&readable);
    FD_SET(listener, &readable);
    FD_SET(pipe_ends[0], &readable);
    return select((listener > pipe_ends[0] ? listener : pipe_ends[0]) + 1, &readable, NULL, NULL, NULL) > 0 &&
           FD_ISSET(listener, &readable);
}

static void on_alarm(int number)
{
    (void)number;
    if (gate_is_open("answer"))
        CHECK_INT(write(pipe_ends[1], "x", 1), ==, 1);
    else
        alarm(1);
}

static void answer_client(int fd)
{
    char text[256], body[96];
    int length = snprintf(body, sizeof body, "pid %d", (int)getpid());
    length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
    CHECK_INT(send(fd, text, (size_t)length, MSG_NOSIGNAL), ==, length);
    close(fd);
}

/* One request may be held; its answer is due when something comes through the pipe. */
static int worker(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    listener = rig_listen("0.0.0.0", cluster_get_port(), RIG_BLOCKING);
    CHECK_INT(pipe(pipe_ends), ==, 0);
    sigaction(SIGALRM, &action, NULL);
    set = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = listener;
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event), ==, 0);
    event.data.fd = pipe_ends[0];
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, pipe_ends[0], &event), ==, 0);
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        char request[1024] = "", byte;
        struct pollfd due = {.fd = pipe_ends[0], .events = POLLIN};
        bool is_ready = listener_is_ready();
        if (client >= 0 && poll(&due, 1, 0) == 1 && read(pipe_ends[0], &byte, 1) == 1) {
            answer_client(client);
            client = -1;
        }
        if (!is_ready)
            continue;
        if (client >= 0) /* the event came before the gate was closed, and is acted upon later */
            gate_wait("accept");
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        CHECK_INT(recv(fd, request, sizeof request - 1, 0), >=, 0);
        if (strstr(request, "/hold") && client < 0) {
            client = fd;
            say("worker %u holds", cluster_worker_id());
            alarm(1);
        } else {
            answer_client(fd);
        }
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, .shutdown_timeout_ms = 60000};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant, bool is_before)
{
    char name[64], text[512];
    snprintf(name, sizeof name, "%s, %s", variant, is_before ? "woken before the gate is closed" : "waiting when it is closed");
    test_case(name);
    unlink(lab_path("gate-answer"));
    unlink(lab_path("gate-accept"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    int held = rig_connect("127.0.0.1", a->port), other = -1;
    rig_send(held, "/hold");
    app_wait_out(a, "worker 0 holds");
    pid_t old = app_worker_pid(a, 0);
    if (is_before) {
        other = rig_connect("127.0.0.1", a->port);
        rig_send(other, "/");
    }
    app_ctl(a, "restart");
    pid_t new = app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 2);
    if (!is_before) {
        gate_open("accept");
        rig_wait_served_by(a, new);
    } else {
        rig_answer(other, text, sizeof text);
        close(other);
        gate_open("accept");
    }
    gate_open("answer");
    rig_answer(held, text, sizeof text);
    close(held);
    lab_finish_restart(a);
    app_expect_err_count(a, "CHECK", 0);
    app_stop(a);
}

void test_main(void)
{
    test_time_limit(120);
    one("epoll", false);
    one("poll", false);
    one("select", false);
    one("epoll", true);
    one("poll", true);
    one("select", true);
}
