/* contract 3.2, 3.4, 3.8: without respawn a crashed worker stays CRASHED; when the last one has crashed, an [ERROR] line
   says so and cluster_wait_workers returns. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = false, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    lab_kill(a, 0, SIGSEGV);
    app_wait_out(a, "event exit 0 139 crash");
    worker_stats_t worker;
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_CRASHED);
    CHECK_INT(worker.pid, ==, 0);
    CHECK_INT(worker.uptime_seconds, ==, 0);
    CHECK_INT(worker.exit_status, ==, 139);
    CHECK_INT(worker.crash_count, ==, 1);
    CHECK_INT(worker.respawn_disabled, ==, false);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 1);
    CHECK_INT(stats.crashed_workers, ==, 1);
    CHECK_INT(stats.disabled_workers, ==, 0);
    app_expect_err_count(a, "[ERROR]", 1);
    app_expect_out_count(a, "master done", 0);

    lab_kill(a, 1, SIGKILL);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "master done", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker . crashed", 2);
    app_expect_err_count(a, "[ERROR]", 3); /* the third one: no worker is left */
    lab_expect_events(a, "start 0; start 1; exit 0 139 crash; exit 1 137 crash");
    app_expect_none_left(a);
}
