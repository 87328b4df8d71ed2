/* contract 3.1: after the master told a worker to stop, every end of it is graceful: exit 7, abort, a signal from
   outside. */
#include "lab.h"

#include <unistd.h>

static void on_term(int number)
{
    (void)number;
    if (cluster_worker_id() == 0)
        _exit(7);
    if (cluster_worker_id() == 1) {
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    }
    say("worker %u was told", cluster_worker_id()); /* the third one goes on until the driver kills it */
}

static int worker(void)
{
    signal(SIGTERM, on_term);
    plain_listen("0.0.0.0", cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    pid_t third = app_worker_pid(a, 2);
    kill(a->pid, SIGTERM);
    app_wait_out(a, "worker 2 was told");
    app_wait_out(a, "event exit 0 7 graceful");
    app_wait_out(a, "event exit 1 134 graceful");
    worker_stats_t stats;
    CHECK_INT(app_get_worker(a, 0, &stats), ==, 1);
    CHECK_INT(stats.status, ==, WORKER_STOPPING);
    CHECK_INT(stats.exit_status, ==, 7);
    CHECK_INT(app_get_worker(a, 2, &stats), ==, 1);
    CHECK_INT(stats.status, ==, WORKER_STOPPING);
    CHECK_INT(stats.pid, ==, third);
    kill(third, SIGSEGV);
    app_wait_out(a, "event exit 2 139 graceful");
    app_expect_exit(a, 0);
    app_expect_out_count(a, "event start", 3);
    app_expect_err_count(a, "crashed", 0);
    app_expect_err_count(a, "[ERROR]", 0);
}
