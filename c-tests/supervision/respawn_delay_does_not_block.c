/* contract 3.2, 3.4: while one slot waits for its respawn, the master reports other ends, answers, and stops when told
   to. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 3600 * 1000, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    lab_kill(a, 0, SIGKILL);
    app_wait_out(a, "event exit 0 137 crash");
    worker_stats_t worker;
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_RESPAWNING);
    CHECK_INT(worker.pid, ==, 0);
    CHECK_INT(worker.uptime_seconds, ==, 0);
    CHECK_INT(worker.exit_status, ==, 137);
    CHECK_INT(worker.crash_count, ==, 1);

    lab_tell(app_worker_pid(a, 1), 5);
    app_wait_out(a, "event exit 1 5 crash");
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 2 got 10");
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 1);
    CHECK_INT(stats.crashed_workers, ==, 0);
    CHECK_INT(stats.disabled_workers, ==, 0);
    CHECK_INT(stats.total_restarts, ==, 0); /* grows when the replacement is there, not at the crash */
    app_stop(a);
    lab_expect_events(a, "start 0; start 1; start 2; exit 0 137 crash; exit 1 5 crash; exit 2 143 graceful");
}
