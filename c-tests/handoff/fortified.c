/* contract 6.2, 6.3: a program compiled with _FORTIFY_SOURCE calls other names of the C library (__read_chk, __recv_chk, __recvfrom_chk, __poll_chk):
   its connections are followed and let go all the same. CMake builds this with each level that the compiler has. */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 64

static const char *way;

/* Sizes that the compiler knows of the buffer, but not of the call: then the checked names are used. */
static ssize_t receive(int fd, char *buffer, size_t size)
{
    if (strcmp(way, "read") == 0)
        return read(fd, buffer, size);
    return strcmp(way, "recv") == 0 ? recv(fd, buffer, size, 0) : recvfrom(fd, buffer, size, 0, NULL, NULL);
}

static int worker(void)
{
    struct pollfd fds[MOST] = {{.fd = rig_listen("0.0.0.0", cluster_get_port(), 0), .events = POLLIN}};
    bool holds[MOST] = {false};
    volatile nfds_t count = 1; /* unknown to the compiler */
    volatile size_t wanted = 1000;
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        if (poll(fds, count, 10) < 0)
            continue;
        for (nfds_t i = 1; i < count; i++) {
            char request[1024] = "", text[128];
            if (fds[i].revents) {
                ssize_t got = receive(fds[i].fd, request, wanted);
                if (got <= 0) {
                    close(fds[i].fd);
                    fds[i].fd = -1;
                    continue;
                }
                holds[i] = true;
            }
            if (!holds[i] || (strstr(request, "/hold") && !gate_is_open("answer")) || (!fds[i].revents && !gate_is_open("answer")))
                continue;
            int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            CHECK_INT(write(fds[i].fd, text, (size_t)length), ==, length);
            holds[i] = false;
        }
        if (fds[0].revents) {
            int fd = accept(fds[0].fd, NULL, NULL);
            if (fd >= 0) {
                CHECK_INT(count, <, MOST);
                fds[count] = (struct pollfd){.fd = fd, .events = POLLIN};
                count = count + 1;
            }
        }
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, .shutdown_timeout_ms = 16000};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    char text[512];
    test_case(variant);
    unlink(lab_path("gate-answer"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    int held = rig_connect("127.0.0.1", a->port), idle = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold");
    rig_send(idle, "/");
    rig_answer(idle, text, sizeof text);
    int64_t before = ct_now_ms();
    pid_t old = app_worker_pid(a, 0);
    app_ctl(a, "restart");
    app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 2);
    CHECK_MSG(rig_ends(idle, CT_WAIT_MS), "an idle connection is not let go");
    for (int i = 0; i < 5; i++) {
        int fd = rig_connect("127.0.0.1", a->port);
        rig_send(fd, "/");
        rig_answer(fd, text, sizeof text);
        close(fd);
    }
    gate_open("answer");
    rig_answer(held, text, sizeof text);
    CHECK_MSG(strcasestr(text, "connection: close"), "the last answer does not announce the end:\n%s", text);
    CHECK(rig_ends(held, CT_WAIT_MS));
    WAIT_UNTIL(!proc_alive(old));
    CHECK_INT(ct_now_ms() - before, <, 7000); /* not half of the time: nothing was lost track of */
    lab_finish_restart(a);
    close(held);
    close(idle);
    app_expect_err_count(a, "", 0);
    app_stop(a);
}

void test_main(void)
{
    one("read");
    one("recv");
    one("recvfrom");
}
