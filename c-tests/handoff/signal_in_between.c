/* contract 6.2: the assisted waits are interrupted by a signal as the system calls are. One that comes while the library is between
   two system calls of its own, before the wait, is not slept over: the program's handler has only made a note, and counts on EINTR.
   accept() at any time; epoll_wait() on a set that it did not know, and in a drain; poll() and select() in a drain, where the order to stop
   comes just then. And a loop that wakes up late finds the library's event and the signal at once: the order waits until it has heard
   of the drain, for a while; after that, its wait ends in any case.

   The library's system calls go through two functions of the C library, which this program replaces: so it sees that moment. */
#include "rig.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *way = "";
static _Thread_local bool is_armed = false; /* of the program's thread: the library's own is not meant */
static volatile sig_atomic_t noted = 0;

static void on_signal(int number)
{
    (void)number;
    noted = 1;
}

static bool is_about_a_late_loop(void)
{
    return strcmp(way, "epoll late") == 0 || strcmp(way, "epoll too late") == 0;
}

/* The library's thread runs where the program's does, which is not to run before the other sleeps. */
static pthread_t program;
static cpu_set_t one_processor;
static int woken[8]; /* eventfds that it has written to, since the drain began */
static int woken_count = 0;

/* Before a system call of the library's thread. True: it is not to be made. */
static bool in_the_library(long number, int fd)
{
    static const uint64_t one = 1;
    bool is_too_late = strcmp(way, "epoll too late") == 0;
    if (number == SYS_write && fd > STDERR_FILENO) {
        CHECK_INT(sched_setaffinity(0, sizeof one_processor, &one_processor), ==, 0);
        CHECK_INT(woken_count, <, 8);
        woken[woken_count++] = fd;
        return is_too_late;
    }
    if (number == SYS_sendmsg && woken_count > 0) { /* it says that it has drained: the master would stop it */
        for (int i = 0; i < woken_count && is_too_late; i++)
            CHECK_INT((int)write(woken[i], &one, sizeof one), ==, (int)sizeof one);
        pthread_kill(program, SIGUSR1);
        woken_count = 0;
    }
    return false;
}

static void share_a_processor(void)
{
    struct sched_param none = {0};
    program = pthread_self();
    CHECK_INT(sched_getaffinity(0, sizeof one_processor, &one_processor), ==, 0);
    int first = 0;
    while (!CPU_ISSET(first, &one_processor))
        first++;
    CPU_ZERO(&one_processor);
    CPU_SET(first, &one_processor);
    CHECK_INT(sched_setaffinity(0, sizeof one_processor, &one_processor), ==, 0);
    /* A thread of this kind does not take the processor from another when it is woken. */
    CHECK_INT((int)syscall(SYS_sched_setscheduler, 0L, (long)SCHED_BATCH, &none), ==, 0); /* musl's function does nothing */
    /* The library's thread stays from now on. */
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK_INT(waitpid(child, NULL, 0), ==, child);
}

static void signal_now(void)
{
    if (!is_armed)
        return;
    is_armed = false;
    int error = errno;
    pthread_kill(pthread_self(), SIGUSR1);
    errno = error;
}

long syscall(long number, ...)
{
    static long (*next)(long, ...) = NULL;
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "syscall");
    bool is_late = is_about_a_late_loop();
    if (is_late && program && !pthread_equal(program, pthread_self()) && in_the_library(number, (int)a[0]))
        return sizeof(uint64_t);
    long result = next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    bool is_it = strcmp(way, "accept") == 0 ? number == SYS_accept4 && result < 0 && errno == EAGAIN
                                            : !is_late && strncmp(way, "epoll", 5) == 0 && number == SYS_write;
    if (is_it)
        signal_now();
    return result;
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict size)
{
    static int (*next)(int, int, int, void *restrict, socklen_t *restrict) = NULL;
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "getsockopt");
    int result = next(fd, level, name, value, size);
    if (strcmp(way, "poll") == 0 || strcmp(way, "select") == 0)
        signal_now();
    return result;
}

/* One wait that nothing but a signal ends. */
static int wait_once(int listener, int set)
{
    struct epoll_event event;
    struct pollfd entry = {.fd = listener, .events = POLLIN};
    fd_set reading;
    if (strcmp(way, "accept") == 0)
        return accept(listener, NULL, NULL);
    if (strncmp(way, "epoll", 5) == 0)
        return epoll_wait(set, &event, 1, -1);
    if (strcmp(way, "poll") == 0)
        return poll(&entry, 1, 20);
    FD_ZERO(&reading);
    FD_SET(listener, &reading);
    struct timeval time = {.tv_usec = 20000};
    return select(listener + 1, &reading, NULL, NULL, &time);
}

static int worker(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct epoll_event event = {.events = EPOLLIN};
    int listener = rig_listen("127.0.0.1", cluster_get_port(), strcmp(way, "accept") == 0 ? RIG_BLOCKING : 0);
    int set = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), ==, 0);
    /* The master's order would end the wait, too: here it must not. */
    signal(SIGTERM, SIG_IGN);
    if (strncmp(way, "epoll", 5) == 0)
        CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event), ==, 0);
    if (strcmp(way, "epoll") == 0 || is_about_a_late_loop())
        CHECK_INT(epoll_wait(set, &event, 1, 0), ==, 0); /* known from here on */
    if (is_about_a_late_loop())
        share_a_processor();
    say("worker %u listening", cluster_worker_id());
    is_armed = true;
    int result;
    /* Of poll and select the gate is closed at one time or another; before, they time out. */
    do
        result = wait_once(listener, set);
    while (result == 0);
    int error = errno;
    say("worker %u: %d %s, %s", cluster_worker_id(), result, strerror(error), noted ? "noted" : "no signal");
    return 0;
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .shutdown_timeout_ms = 20000};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    bool is_in_a_drain = strcmp(variant, "accept") != 0 && strcmp(variant, "epoll anew") != 0;
    if (is_in_a_drain)
        CHECK_INT(kill(a->pid, SIGUSR2), ==, 0);
    app_wait_out(a, "worker 0: -1 Interrupted system call, noted");
    if (!is_in_a_drain) { /* the worker has ended by itself, and so does the cluster */
        app_expect_exit(a, 0);
        return;
    }
    lab_order_signal(a, SIGKILL); /* the successor ignores SIGTERM */
    app_expect_exit(a, 0);
}

void test_main(void)
{
    one("accept");
    one("epoll anew");
    one("epoll");
    one("epoll late");
    one("epoll too late");
    one("poll");
    one("select");
}
