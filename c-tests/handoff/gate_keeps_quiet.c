/* contract 6.3: an old worker that drains takes no connection and is not woken by those that wait in the queue: a non-blocking accept gives
   EAGAIN, epoll, poll and select sleep, and epoll_ctl of the listener succeeds. */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUED 12
#define MOST_WAKE_UPS 40 /* in a second and more; a loop that spins has thousands */

static const char *way;
static int listener, watched, client = -1, wake_ups = 0, set;

/* Each waits once for the listener and the one client, at most `ms`; the result is what is readable: 1 listener, 2 client. */
static int wait_epoll(int ms)
{
    struct epoll_event events[4];
    int count = epoll_wait(set, events, 4, ms), result = 0;
    CHECK(count >= 0 || errno == EINTR); /* a process that was stopped: signal(7) */
    for (int i = 0; i < count; i++)
        result |= (int)events[i].data.u64;
    return result;
}

static int wait_poll(int ms)
{
    /* Numbers below zero are passed over, whatever they may be the complement of. */
    struct pollfd fds[3] = {{.fd = watched, .events = POLLIN}, {.fd = client, .events = POLLIN}, {.fd = strstr(way, "complement") ? ~watched : -1, .events = POLLIN}};
    CHECK(poll(fds, 3, ms) >= 0 || errno == EINTR);
    CHECK_INT(fds[0].fd, ==, watched);
    CHECK_MSG(fds[2].fd < 0, "poll has changed an entry of the program's to %d", fds[2].fd);
    CHECK_INT(fds[2].revents, ==, 0);
    return (fds[0].revents ? 1 : 0) | (fds[1].revents ? 2 : 0);
}

static int wait_select(int ms)
{
    fd_set readable;
    struct timeval time = {ms / 1000, ms % 1000 * 1000};
    FD_ZERO(&readable);
    FD_SET(watched, &readable);
    if (client >= 0)
        FD_SET(client, &readable);
    CHECK(select((client > watched ? client : watched) + 1, &readable, NULL, NULL, ms < 0 ? NULL : &time) >= 0 ||
          errno == EINTR);
    return (FD_ISSET(watched, &readable) ? 1 : 0) | (client >= 0 && FD_ISSET(client, &readable) ? 2 : 0);
}

static int wait_once(int ms)
{
    return strstr(way, "epoll") ? wait_epoll(ms) : strstr(way, "poll") ? wait_poll(ms) : wait_select(ms);
}

/* It has one client at a time, whose request it keeps for as long as the gate says; meanwhile it goes on waiting for its listener. */
static void answer_client(void)
{
    char text[256], body[96];
    int length = snprintf(body, sizeof body, "pid %d wake-ups %d", (int)getpid(), wake_ups);
    length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
    CHECK_INT(send(client, text, (size_t)length, MSG_NOSIGNAL), ==, length);
    close(client);
    client = -1;
}

static void change_registration(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    int copy = dup(0);
    close(copy);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_MOD, watched, &event), ==, 0);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_DEL, watched, &event), ==, 0);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, watched, &event), ==, 0);
}

/* Its successor is known a moment before the gate closes: a connection that comes in between is served. After that, none is taken. */
static void accept_nothing(void)
{
    char request[1024];
    bool is_closed = gate_is_open("closed"); /* before the look: what the driver says of it holds from then on */
    errno = 0;
    int early = accept(watched, NULL, NULL), held = client;
    wake_ups += is_closed;
    if (early >= 0 && !is_closed) {
        CHECK_INT(recv(early, request, sizeof request, 0), >=, 0);
        client = early;
        answer_client();
        client = held;
        return;
    }
    CHECK_INT(early, ==, -1);
    CHECK_INT(errno, ==, EAGAIN);
}

static void hold_client(void)
{
    bool has_changed = false;
    while (!gate_is_open("answer")) {
        if (wait_once(100) & 1)
            accept_nothing();
        if (strstr(way, "epoll") && !has_changed && gate_is_open("change")) {
            change_registration();
            has_changed = true;
            say("changed");
        }
    }
    errno = 0;
    CHECK_INT(accept4(watched, NULL, NULL, SOCK_CLOEXEC), ==, -1);
    CHECK_INT(errno, ==, EAGAIN);
    answer_client();
}

static int worker(void)
{
    struct epoll_event event = {.events = EPOLLIN | (strstr(way, "edge") ? EPOLLET : 0), .data.u64 = 1};
    listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    watched = strstr(way, "duplicate") ? dup(listener) : listener;
    set = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, watched, &event), ==, 0);
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        char request[1024] = "";
        if (!(wait_once(-1) & 1))
            continue;
        while ((client = accept(strstr(way, "fresh") ? listener : watched, NULL, NULL)) >= 0) {
            memset(request, 0, sizeof request);
            CHECK_INT(recv(client, request, sizeof request - 1, 0), >=, 0);
            if (!strstr(request, "/hold")) {
                answer_client();
                continue;
            }
            say("worker %u holds", cluster_worker_id());
            if (strstr(way, "epoll")) { /* registered like the listener, as servers do */
                event = (struct epoll_event){.events = EPOLLRDHUP, .data.u64 = 2};
                CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, client, &event), ==, 0);
            }
            hold_client();
        }
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, .shutdown_timeout_ms = 30000};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

/* The library tells its waiting threads by two eventfds that nobody reads: first that the gate is closed, then that the drain begins. */
static bool is_gate_closed(pid_t pid)
{
    char folder[64], path[128], text[512];
    int count = 0;
    snprintf(folder, sizeof folder, "/proc/%d/fdinfo", (int)pid);
    DIR *entries = opendir(folder);
    CHECK(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        unsigned long long value = 0;
        snprintf(path, sizeof path, "fdinfo/%.20s", entry->d_name);
        if (entry->d_name[0] == '.' || !proc_read(pid, path, text, sizeof text, NULL))
            continue;
        const char *line = strstr(text, "eventfd-count:");
        count += line != NULL && sscanf(line, "eventfd-count: %llx", &value) == 1 && value != 0;
    }
    closedir(entries);
    return count >= 2;
}

static void one(const char *variant, bool is_successor)
{
    test_case(variant);
    unlink(lab_path("gate-closed"));
    unlink(lab_path("gate-answer"));
    unlink(lab_path("gate-change"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    if (is_successor)
        rig_crash(a, 0);
    int queued[QUEUED], held = rig_connect("127.0.0.1", a->port), woken = -1, pid = 0;
    char text[512];
    rig_send(held, "/hold");
    app_wait_out(a, "worker 0 holds");
    pid_t old = app_worker_pid(a, 0);
    app_ctl(a, "restart");
    pid_t new = app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, is_successor ? 3 : 2);
    rig_wait_served_by(a, new);
    WAIT_UNTIL(is_gate_closed(old));
    gate_open("closed");
    rig_stop_process(new);
    for (int i = 0; i < QUEUED; i++) {
        queued[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(queued[i], >=, 0);
        rig_send(queued[i], "/");
        lab_wait_for(50);
    }
    if (strstr(variant, "epoll")) {
        gate_open("change");
        app_wait_out(a, "changed");
    }
    lab_wait_for(500);
    gate_open("answer");
    rig_answer(held, text, sizeof text);
    CHECK_INT(sscanf(strstr(text, "\r\n\r\n"), "\r\n\r\npid %d wake-ups %d", &pid, &woken), ==, 2);
    CHECK_INT(pid, ==, old);
    CHECK_INT(woken, <=, MOST_WAKE_UPS);
    CHECK_INT(kill(new, SIGCONT), ==, 0);
    for (int i = 0; i < QUEUED; i++) {
        rig_answer(queued[i], text, sizeof text);
        CHECK_INT(sscanf(strstr(text, "\r\n\r\n"), "\r\n\r\npid %d", &pid), ==, 1);
        CHECK_INT(pid, ==, new);
        close(queued[i]);
    }
    close(held);
    lab_finish_restart(a);
    app_expect_err_count(a, "CHECK", 0);
    app_stop(a);
}

void test_main(void)
{
    test_time_limit(120);
    one("epoll level", false);
    one("epoll level", true);
    one("epoll edge", false);
    one("select", false);
    one("select", true);
    one("epoll level duplicate", false);
    one("select duplicate", false);
    one("epoll level fresh duplicate", false);
    one("select fresh duplicate", false);
    one("poll", false);
    one("poll with a complement", false);
    one("poll", true);
    one("poll fresh duplicate", false);
}
