/* contract 6.2, 6.3: an event loop sees what the program has registered and nothing else, also in a drain with idle connections; and its time limits hold:
   a wait for 300 ms ends after 300 ms with 0, one without a limit never gives 0. */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 10 /* of the coarse clock, whatever CONFIG_HZ is */
#define CONNECTIONS 20
#define RESTARTS 15

static const char *way;
static int set;

static int wait_for_events(struct epoll_event *events, int room, int ms)
{
    sigset_t none;
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    sigemptyset(&none);
    if (strstr(way, "pwait2"))
        return epoll_pwait2(set, events, room, ms < 0 ? NULL : &time, &none);
    return strstr(way, "pwait") ? epoll_pwait(set, events, room, ms, &none) : epoll_wait(set, events, room, ms);
}

static void take_request(int fd)
{
    char request[1024] = "", text[256];
    ssize_t got = recv(fd, request, sizeof request - 1, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        close(fd);
        return;
    }
    if (strstr(request, "/hold")) {
        say("worker %u holds", cluster_worker_id());
        return;
    }
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK_INT(send(fd, text, (size_t)length, MSG_NOSIGNAL), ==, length);
}

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0), ms = strstr(way, "timed") ? 300 : -1, timeouts = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1u << 20}, events[3];
    bool is_registered[256] = {false};
    set = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event), ==, 0);
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        int64_t before = ct_now_ms();
        memset(events, 0, sizeof events);
        int room = strstr(way, "one at a time") ? 1 : 3, count = wait_for_events(events, room, ms);
        int64_t took = ct_now_ms() - before;
        CHECK_MSG(count >= 0 || errno == EINTR, "waiting failed: %s", strerror(errno));
        CHECK_INT(count, <=, room);
        if (count == 0) {
            CHECK_MSG(ms >= 0, "a wait without a limit has given 0");
            CHECK_MSG(took >= ms - TICK_MS, "a wait for %d ms has ended after %d", ms, (int)took);
            CHECK_MSG(took < ms + 9000, "a wait for %d ms has ended after %d", ms, (int)took);
            say("pid %d timeout %d", (int)getpid(), ++timeouts);
        }
        for (int i = 0; i < count; i++) {
            uint64_t data = events[i].data.u64;
            if (data == 1u << 20) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0)
                    continue;
                CHECK_INT(fd, <, 256);
                is_registered[fd] = true;
                event = (struct epoll_event){.events = EPOLLIN | (strstr(way, "edge") ? EPOLLET : 0), .data.u64 = (unsigned)fd};
                CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), ==, 0);
            } else {
                CHECK_MSG(data < 256 && is_registered[data], "an event with data %llx", (unsigned long long)data);
                take_request((int)data);
            }
        }
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = strstr(variant, "timed") ? 30000 : 15000};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

static int idle[CONNECTIONS];

static void open_idle(app *a)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[512];
        idle[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(idle[i], >=, 0);
        rig_send(idle[i], "/");
        rig_answer(idle[i], text, sizeof text);
    }
}

static app *start(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    return a;
}

static void many_restarts(const char *variant)
{
    app *a = start(variant);
    for (int i = 0; i < RESTARTS; i++) {
        open_idle(a);
        app_ctl(a, "restart");
        for (int k = 0; k < CONNECTIONS; k++) {
            CHECK_MSG(rig_ends(idle[k], CT_WAIT_MS), "idle connection %d is not let go", k);
            close(idle[k]);
        }
        lab_finish_restart(a);
    }
    app_expect_err_count(a, "", 0);
    app_stop(a);
}

/* The drain lasts, for a request is held; the loop's time limits hold all the while. */
static void timeouts(const char *variant)
{
    char line[64];
    app *a = start(variant);
    pid_t old = app_worker_pid(a, 0);
    open_idle(a);
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold");
    app_wait_out(a, "worker 0 holds");
    app_ctl(a, "restart");
    app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 2);
    for (int k = 0; k < CONNECTIONS; k++) {
        CHECK_MSG(rig_ends(idle[k], CT_WAIT_MS), "idle connection %d is not let go", k);
        close(idle[k]);
    }
    size_t mark = app_mark_out(a);
    snprintf(line, sizeof line, "pid %d timeout", (int)old);
    ct_here(__FILE__, __LINE__);
    ct_wait_line(a, &a->out, mark, line, 4);
    close(held);
    lab_finish_restart(a);
    app_expect_err_count(a, "", 0);
    app_stop(a);
}

void test_main(void)
{
    test_time_limit(170);
    timeouts("timed epoll_wait");
    timeouts("timed epoll_pwait");
    timeouts("timed epoll_pwait2");
    many_restarts("epoll_wait");
    many_restarts("epoll_wait edge one at a time");
    many_restarts("epoll_pwait one at a time");
    many_restarts("epoll_pwait2 edge");
}
