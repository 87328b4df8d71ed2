/* contract 3.3, 3.4: within one window the count grows with each crash, for each worker by itself. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_window_sec = 50,
                       .respawn_max_crashes = 3,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    for (int crash = 1; crash <= 2; crash++) {
        for (int id = 0; id < 2; id++) {
            worker_stats_t worker;
            pid_t old = lab_kill(a, id, SIGKILL);
            lab_wait_new_pid(a, id, old);
            CHECK_INT(app_get_worker(a, id, &worker), ==, 1);
            CHECK_INT(worker.crash_count, ==, crash);
            CHECK_INT(worker.status, ==, WORKER_ACTIVE);
            CHECK_INT(worker.exit_status, ==, 137);
        }
    }
    /* Four crashes, but two of each worker. */
    app_expect_err_count(a, "crashing too fast", 0);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 2);
    CHECK_INT(stats.total_restarts, ==, 4);
    app_stop(a);
}
