/* contract 6.2: a blocking accept blocks as it always did: a handler without SA_RESTART interrupts it, one with SA_RESTART does not, its
   SO_RCVTIMEO holds, and it works on a duplicate. In the first worker and in its successor. */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LISTENERS 3

static volatile sig_atomic_t restarting = 0, interrupting = 0;
static const char *own_variant;

static void on_restarting(int number)
{
    (void)number;
    restarting++;
}

static void on_interrupting(int number)
{
    (void)number;
    interrupting++;
}

/* Each serves one listener: one answer, then it says what accept gave. */
static void serve_blocking(int fd, const char *name)
{
    for (;;) {
        char request[1024], text[256], body[64];
        int client = accept(fd, NULL, NULL), error = errno;
        if (client < 0) {
            say("worker %u %s: %s after %d", cluster_worker_id(), name, strerror(error), (int)restarting);
            continue;
        }
        CHECK_INT(recv(client, request, sizeof request, 0), >, 0);
        int length = snprintf(body, sizeof body, "%s %d", name, (int)getpid());
        length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
        CHECK_INT(send(client, text, (size_t)length, MSG_NOSIGNAL), ==, length);
        close(client);
    }
}

static int plain, timed, copied;

static void *timed_main(void *unused)
{
    (void)unused;
    struct timeval time = {.tv_usec = 300 * 1000};
    CHECK_INT(setsockopt(timed, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), ==, 0);
    for (int i = 0; i < 2; i++) {
        int64_t before = ct_now_ms();
        CHECK_INT(accept(timed, NULL, NULL), ==, -1);
        CHECK_INT(errno, ==, EAGAIN);
        CHECK_INT(ct_now_ms() - before, >=, 295);
        CHECK_INT(ct_now_ms() - before, <, 5000);
    }
    say("worker %u timed out", cluster_worker_id());
    return NULL;
}

static void *copied_main(void *unused)
{
    (void)unused;
    serve_blocking(copied, "copied");
    return NULL;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK_INT(sigaction(number, &action, NULL), ==, 0);
}

static int worker(void)
{
    pthread_t threads[2];
    sigset_t mask;
    plain = rig_listen("127.0.0.1", cluster_get_port(), RIG_BLOCKING);
    timed = rig_listen("127.0.0.2", cluster_get_port(), RIG_BLOCKING);
    copied = dup(rig_listen("127.0.0.3", cluster_get_port(), RIG_BLOCKING));
    if (strcmp(own_variant, "interrupting") != 0)
        handle(SIGUSR1, on_restarting, SA_RESTART);
    if (strcmp(own_variant, "restarting") != 0)
        handle(SIGUSR2, on_interrupting, 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    CHECK_INT(pthread_create(&threads[0], NULL, timed_main, NULL), ==, 0);
    CHECK_INT(pthread_create(&threads[1], NULL, copied_main, NULL), ==, 0);
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
    say("worker %u listening", cluster_worker_id());
    serve_blocking(plain, "plain");
    return 0;
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    own_variant = variant;
    return lab_main(&options, argc, argv, worker);
}

/* Until the worker's main thread sleeps in accept (or in what stands for it). */
static void wait_until_it_waits(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "task/%d/stat", (int)pid);
    for (int quiet = 0; quiet < 3;) {
        char stat[512];
        const char *after;
        bool reads = proc_read(pid, path, stat, sizeof stat, NULL) && (after = strrchr(stat, ')')) != NULL;
        quiet = reads && after[2] == 'S' ? quiet + 1 : 0;
        ct_pump(5);
    }
}

static void check_worker(app *a, int which)
{
    pid_t pid = app_worker_pid(a, 0);
    bool both = strcmp(own_variant, "both") == 0;
    app_wait_out_times(a, "worker 0 timed out", which);
    for (int round = 0; round < 3; round++) {
        CHECK_MATCH(rig_get("127.0.0.1", a->port, "/"), "plain");
        CHECK_MATCH(rig_get("127.0.0.3", a->port, "/"), "copied");
        wait_until_it_waits(pid);
        size_t mark = app_mark_out(a);
        if (strcmp(own_variant, "interrupting") != 0) {
            CHECK_INT(kill(pid, SIGUSR1), ==, 0);
            CHECK_MATCH(rig_get("127.0.0.1", a->port, "/"), "plain");
            ct_expect_count(a, &a->out, mark, "Interrupted", 0);
            wait_until_it_waits(pid);
        }
        if (both || strcmp(own_variant, "interrupting") == 0) {
            CHECK_INT(kill(pid, SIGUSR2), ==, 0);
            app_wait_out_since(a, mark, "plain: Interrupted system call");
        }
    }
}

static void one(const char *variant)
{
    test_case(variant);
    own_variant = variant;
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    check_worker(a, 1);
    rig_crash(a, 0);
    check_worker(a, 2);
    app_expect_err_count(a, "CHECK", 0);
    app_stop(a);
}

void test_main(void)
{
    one("restarting");
    one("interrupting");
}
