/* contract 6.2, 6.3, 4.4: a program of one thread and one event loop stays one to the kernel: the library's watch over the master has descriptors
   of its own, and what shares the program's goes once the loop waits for its listener. It is back when it is wanted: a restart is
   prompt (the time-out is a minute) where the loop sleeps, where it is in a handler, where its set is another one by now, and in
   programs that wait in other ways; there it stays. The watch itself holds when the program has closed every descriptor. */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define UNSHARE 2u /* CLOSE_RANGE_UNSHARE */

static const char *way;
static int listener, set;

static void add(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd};
    CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), ==, 0);
}

static void *accept_for_ever(void *argument)
{
    int other = *(int *)argument;
    say("worker %u accepts", cluster_worker_id());
    for (;;) {
        int fd = accept(other, NULL, NULL);
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

static void answer(int fd);

/* The loop is left for good. */
static void go_on_otherwise(bool by_poll)
{
    for (;;) {
        struct pollfd entry = {.fd = listener, .events = POLLIN};
        if (by_poll)
            poll(&entry, 1, -1);
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            answer(fd);
    }
}

/* The child goes on with the loop, and with the set that is its parent's: the parent only sleeps. */
static void leave_the_loop_to_a_child(void)
{
    if (fork() != 0)
        for (;;)
            pause();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* What a request changes, after its answer. */
static void change(const char *request)
{
    static int other;
    pthread_t thread;
    if (strstr(request, "/anew")) {
        /* Past the library, and under the same number. */
        CHECK_INT(syscall(SYS_close, set), ==, 0);
        int new = epoll_create1(EPOLL_CLOEXEC);
        if (new != set) {
            CHECK_INT(syscall(SYS_dup3, new, set, O_CLOEXEC), ==, set);
            CHECK_INT(syscall(SYS_close, new), ==, 0);
        }
        add(listener);
    } else if (strstr(request, "/thread")) {
        other = rig_listen("127.0.0.1", 0, RIG_BLOCKING);
        CHECK_INT(pthread_create(&thread, NULL, accept_for_ever, &other), ==, 0);
    } else if (strstr(request, "/accept")) {
        close(set); /* with its listener in it, accept would be the loop's */
        CHECK_INT(fcntl(listener, F_SETFL, 0), ==, 0);
        go_on_otherwise(false);
    } else if (strstr(request, "/poll")) {
        go_on_otherwise(true);
    } else if (strstr(request, "/fork")) {
        leave_the_loop_to_a_child();
    } else if (strstr(request, "/close-all")) {
        int highest = set > listener ? set : listener;
        CHECK_INT(syscall(SYS_close_range, (unsigned)highest + 8, ~0u, 0), ==, 0);
    }
}

static void hold(void)
{
    say("worker %u holds", cluster_worker_id());
    gate_wait("held");
}

/* One request on each connection. */
static void answer(int fd)
{
    char request[1024] = "";
    if (recv(fd, request, sizeof request - 1, 0) > 0) {
        static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        if (strstr(request, "/hold"))
            hold();
        CHECK_INT(send(fd, text, sizeof text - 1, MSG_NOSIGNAL), ==, (int)sizeof text - 1);
        close(fd);
        change(request);
        return;
    }
    close(fd);
}

static void serve_by_epoll(void) __attribute__((noreturn));
static void serve_by_epoll(void)
{
    set = epoll_create1(EPOLL_CLOEXEC);
    add(listener);
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(set, &event, 1, -1) != 1)
            continue;
        CHECK_MSG(event.data.u64 < 256, "an event of somebody else's: data %llx", (unsigned long long)event.data.u64);
        if ((int)event.data.u64 != listener) {
            answer((int)event.data.u64);
            continue;
        }
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            add(fd);
    }
}

static int worker(void)
{
    bool is_loop = strcmp(way, "accept") != 0;
    listener = rig_listen("127.0.0.1", cluster_get_port(), is_loop ? 0 : RIG_BLOCKING);
    say("worker %u listening", cluster_worker_id());
    if (strcmp(way, "epoll") == 0)
        serve_by_epoll();
    for (;;) {
        struct pollfd entry = {.fd = listener, .events = POLLIN};
        if (is_loop)
            poll(&entry, 1, -1);
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            answer(fd);
    }
    return 0;
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .shutdown_timeout_ms = 60000};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

/* ---- the driver --------------------------------------------------------------------------------------------------- */

static int entries_of(const char *folder)
{
    int count = 0;
    DIR *entries = opendir(folder);
    CHECK(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static int threads_of(pid_t pid)
{
    char folder[64];
    snprintf(folder, sizeof folder, "/proc/%d/task", (int)pid);
    return entries_of(folder);
}

/* How many descriptors that thread has which is not the first one; there is one such. */
static int descriptors_of_watch(pid_t pid)
{
    char folder[600];
    int found = -1;
    snprintf(folder, sizeof folder, "/proc/%d/task", (int)pid);
    DIR *entries = opendir(folder);
    CHECK(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == pid)
            continue;
        snprintf(folder, sizeof folder, "/proc/%d/task/%.20s/fd", (int)pid, entry->d_name);
        CHECK_INT(found, ==, -1);
        found = entries_of(folder);
    }
    closedir(entries);
    return found;
}

static app *begin(const char *name, const char *variant)
{
    test_case(name);
    unlink(lab_path("gate-held"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    CHECK_STR(rig_get("127.0.0.1", a->port, "/"), "ok");
    return a;
}

/* The old worker is gone, although it has a minute, and half of one before it would be told to stop. */
static void restart_promptly(app *a)
{
    pid_t old = app_worker_pid(a, 0);
    app_ctl(a, "restart");
    app_wait_new_pid(a, 0, old);
    lab_finish_restart(a);
    CHECK(!proc_alive(old));
    CHECK_STR(rig_get("127.0.0.1", a->port, "/"), "ok");
    app_expect_err_count(a, "CHECK", 0);
}

/* By the end the helper has looked more than once whether it may go: it does so after 5 ms and then after ever longer times. */
static void expect_threads(app *a, int count)
{
    for (int i = 0; i < 5; i++) {
        lab_wait_for(50);
        CHECK_STR(rig_get("127.0.0.1", a->port, "/"), "ok");
        CHECK_INT(threads_of(app_worker_pid(a, 0)), ==, count);
    }
}

static void a_loop_is_left_alone(bool can_be_apart)
{
    app *a = begin("a loop", "epoll");
    if (can_be_apart) {
        WAIT_UNTIL(threads_of(app_worker_pid(a, 0)) == 2);
        CHECK_INT(descriptors_of_watch(app_worker_pid(a, 0)), ==, 4); /* the channel, the master's pidfd, the line, the bell */
    }
    restart_promptly(a);
    restart_promptly(a);
    /* An idle connection is let go, too. */
    int idle = rig_connect("127.0.0.1", a->port);
    restart_promptly(a);
    CHECK(rig_ends(idle, CT_WAIT_MS));
    close(idle);
    app_stop(a);
}

static void a_loop_in_a_handler(void)
{
    char text[512];
    app *a = begin("a loop that is in a handler", "epoll");
    pid_t old = app_worker_pid(a, 0);
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold");
    app_wait_out(a, "worker 0 holds");
    app_ctl(a, "restart");
    pid_t new = app_wait_new_pid(a, 0, old);
    CHECK_STR(rig_get("127.0.0.1", a->port, "/"), "ok"); /* by the new one */
    CHECK(proc_alive(old));
    gate_open("held");
    rig_answer(held, text, sizeof text);
    lab_finish_restart(a);
    CHECK(!proc_alive(old));
    CHECK_INT(app_worker_pid(a, 0), ==, new);
    close(held);
    app_stop(a);
}

/* After a request that changes something. */
static app *begin_changed(const char *name, const char *path, bool can_be_apart)
{
    app *a = begin(name, "epoll");
    if (can_be_apart)
        WAIT_UNTIL(threads_of(app_worker_pid(a, 0)) == 2);
    CHECK_STR(rig_get("127.0.0.1", a->port, path), "ok");
    CHECK_STR(rig_get("127.0.0.1", a->port, "/"), "ok");
    return a;
}

static void a_thread_beside_the_loop(bool can_be_apart)
{
    app *a = begin_changed("a thread that accepts beside the loop", "/thread", can_be_apart);
    app_wait_out(a, "worker 0 accepts");
    if (can_be_apart)
        WAIT_UNTIL(threads_of(app_worker_pid(a, 0)) == 4);
    expect_threads(a, 4);
    restart_promptly(a);
    app_stop(a);
}

static void other_waits(const char *variant)
{
    app *a = begin(variant, variant);
    expect_threads(a, 3);
    restart_promptly(a);
    app_stop(a);
}

static void a_changed_program(const char *name, const char *path, bool can_be_apart)
{
    app *a = begin_changed(name, path, can_be_apart);
    restart_promptly(a);
    app_stop(a);
}

static void all_descriptors_closed(bool can_be_apart)
{
    app *a = begin_changed("a program that closes what it does not know", "/close-all", can_be_apart);
    restart_promptly(a);
    app_stop(a);
    app_kill(begin_changed("the same, and its master dies", "/close-all", can_be_apart));
}

void test_main(void)
{
    test_time_limit(120);
    /* With nothing to close: does the kernel know it, and permit it? */
    bool can_be_apart = syscall(SYS_close_range, ~0u, ~0u, UNSHARE) == 0;
    if (!can_be_apart)
        printf("NOT CHECKED: whether the helper goes, for close_range gives: %s\n", strerror(errno));
    a_loop_is_left_alone(can_be_apart);
    a_loop_in_a_handler();
    a_thread_beside_the_loop(can_be_apart);
    other_waits("accept");
    other_waits("poll");
    a_changed_program("a loop whose set is another one by now", "/anew", can_be_apart);
    a_changed_program("a loop that is left for accept", "/accept", can_be_apart);
    a_changed_program("a loop that is left for poll", "/poll", can_be_apart);
    a_changed_program("a loop that is left to a child", "/fork", can_be_apart);
    all_descriptors_closed(can_be_apart);
}
