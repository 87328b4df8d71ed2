/* contract 4.3, 3.1: workers that fail on the very signal that cluster_signal_workers stops them with have ended
   gracefully, however quickly they do it: asked for by a thread or by a signal handler. Several times, for it is a race.
   */
#include "lab.h"

#include <unistd.h>

#define WORKERS 4
#define ROUNDS 5

static void fail(int number)
{
    _exit(number);
}

static int worker(void)
{
    signal(SIGTERM, fail);
    signal(SIGINT, fail);
    plain_listen("0.0.0.0", cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

static void stop(int number)
{
    (void)number;
    cluster_signal_workers(SIGTERM);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = WORKERS,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       LAB_EVENTS};
    if (lab_worker_id() < 0)
        signal(SIGUSR1, stop);
    return lab_main(&options, argc, argv, worker);
}

static app *start(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, WORKERS);
    return a;
}

static void expect_end(app *a, const char *ends)
{
    app_expect_exit(a, 0);
    app_expect_out_count(a, ends, WORKERS);
    app_expect_out_count(a, "event start", WORKERS);
    app_expect_err_count(a, "[ERROR]", 0);
    app_expect_none_left(a);
}

void test_main(void)
{
    test_time_limit(170);
    for (int round = 0; round < ROUNDS; round++) {
        test_case("SIGTERM by a thread");
        app *a = start();
        lab_order_signal(a, SIGTERM);
        expect_end(a, "15 graceful");

        test_case("SIGINT by a thread");
        a = start();
        lab_order_signal(a, SIGINT);
        expect_end(a, "2 graceful");

        test_case("SIGTERM by a signal handler");
        a = start();
        kill(a->pid, SIGUSR1);
        expect_end(a, "15 graceful");

        test_case("SIGTERM to the master");
        a = start();
        kill(a->pid, SIGTERM);
        expect_end(a, "15 graceful");
    }
}
