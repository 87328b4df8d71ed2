/* contract 3.3, 3.4: three crashes within the window disable a worker, with exactly the documented line; the others go
   on. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    /* The default limit, 3 crashes; a window that a slow machine cannot exceed. */
    Cluster options = {.cpus = 3,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_window_sec = 50,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static void expect_crash_count(app *a, int expected)
{
    worker_stats_t worker;
    CHECK_INT(app_get_worker(a, 2, &worker), ==, 1);
    CHECK_INT(worker.crash_count, ==, expected);
    CHECK_INT(worker.respawn_disabled, ==, expected == 3);
    CHECK_INT(worker.exit_status, ==, 128 + SIGSEGV);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    for (int crash = 1; crash <= 3; crash++) {
        app_wait_out_times(a, "event start 2", crash);
        lab_kill(a, 2, SIGSEGV);
        app_wait_out_times(a, "event exit 2 139 crash", crash);
        expect_crash_count(a, crash);
    }
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker 2 crashed after [0-9]+ s \\(signal 11\\)$", 3);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 2 crashing too fast \\(3 times in [0-9]+s\\), disabling respawn$");
    app_expect_err_count(a, "[ERROR]", 4);

    worker_stats_t worker;
    CHECK_INT(app_get_worker(a, 2, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_DISABLED);
    CHECK_INT(worker.pid, ==, 0);
    CHECK_INT(worker.uptime_seconds, ==, 0);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 2);
    CHECK_INT(stats.disabled_workers, ==, 1);
    CHECK_INT(stats.crashed_workers, ==, 0);
    CHECK_INT(stats.total_restarts, ==, 2);

    /* Another worker's later crash is respawned: worker 2 would have been before it. */
    lab_kill(a, 0, SIGKILL);
    app_wait_out_times(a, "event start 0", 2);
    app_expect_out_count(a, "event start 2", 3);
    app_expect_err_count(a, "crashing too fast", 1);
    app_stop(a);
}
