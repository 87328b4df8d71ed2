/* contract 6.2: a program that registers its socket with epoll before it binds it gets its events after the adoption, too, with the data and
   in the manner that it asked for. */
#include "rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATA 0xfeedfacecafebeefULL

static uint32_t manner;
static int set;

static void answer_one(int listener)
{
    char request[1024], text[256], body[64];
    int client = accept(listener, NULL, NULL);
    if (client < 0) {
        CHECK_INT(errno, ==, EAGAIN);
        return;
    }
    CHECK_INT(recv(client, request, sizeof request, 0), >=, 0);
    int length = snprintf(body, sizeof body, "pid %d", (int)getpid());
    length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
    CHECK_INT(send(client, text, (size_t)length, MSG_NOSIGNAL), ==, length);
    close(client);
}

static int worker(void)
{
    struct epoll_event event = {.events = EPOLLIN | manner, .data.u64 = DATA}, other = {.events = EPOLLIN, .data.u64 = 1};
    int fd = rig_socket("127.0.0.1", 0), pipes[2], first = epoll_create1(EPOLL_CLOEXEC);
    set = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(pipe(pipes), ==, 0);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &other), ==, 0);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), ==, 0);
    event.data.u64 = DATA + 1;
    CHECK_INT(epoll_ctl(first, EPOLL_CTL_ADD, fd, &event), ==, 0);
    CHECK_INT(rig_bind_to(fd, "127.0.0.1", cluster_get_port()), ==, 0);
    CHECK_INT(listen(fd, 100), ==, 0);
    event.data.u64 = DATA;
    /* It is in the sets, and nowhere twice. */
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), ==, -1);
    CHECK_INT(errno, ==, EEXIST);
    CHECK_INT(epoll_ctl(first, EPOLL_CTL_DEL, fd, &event), ==, 0);
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        struct epoll_event got[4];
        int count = epoll_wait(set, got, 4, -1);
        for (int i = 0; i < count; i++) {
            if (got[i].data.u64 == DATA && got[i].events == EPOLLHUP && !(manner & EPOLLET))
                FAIL("a listener hangs up");
            CHECK_MSG(got[i].data.u64 == DATA, "an event with data %llx", (unsigned long long)got[i].data.u64);
            if (got[i].events & EPOLLIN)
                answer_one(fd);
            if (manner & EPOLLONESHOT)
                CHECK_INT(epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), ==, 0);
        }
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, .shutdown_timeout_ms = 3000};
    manner = strcmp(variant, "edge") == 0 ? EPOLLET : strcmp(variant, "once") == 0 ? EPOLLONESHOT : 0;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 5; i++) {
            int pid = 0;
            CHECK_INT(sscanf(rig_get("127.0.0.1", a->port, "/"), "pid %d", &pid), ==, 1);
            CHECK_INT(pid, ==, app_worker_pid(a, 0));
        }
        if (round % 2)
            rig_crash(a, 0);
        else
            rig_restart(a);
    }
    /* One that waits already when the successor adopts the queue. */
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    int waiting = rig_connect("127.0.0.1", a->port);
    char text[512];
    rig_send(waiting, "/");
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    rig_answer(waiting, text, sizeof text);
    close(waiting);
    app_expect_err_count(a, "CHECK", 0);
    app_expect_err_count(a, "FAILED", 0);
    app_stop(a);
}

void test_main(void)
{
    one("level");
    one("edge");
    one("once");
}
