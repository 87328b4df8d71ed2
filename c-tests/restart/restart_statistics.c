/* contract 3.4, 3.6, 5.2: until its replacement is ready a slot's statistics describe the old worker, and the
   replacement from then on; no callback runs for a replacement that is not ready. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    worker_stats_t before, now;
    cluster_stats_t stats;
    app *a = release_start(path, 2);
    pid_t killed = lab_kill(a, 0, SIGKILL); /* so that the count has something to forget */
    lab_wait_new_pid(a, 0, killed);
    app_wait_out_times(a, "worker 0 listening", 2);
    CHECK_INT(app_get_worker(a, 0, &before), ==, 1);
    CHECK_INT(before.crash_count, ==, 1);

    release_install(path, "2 gate ready for 0");
    app_ctl(a, "restart");
    pid_t replacement = release_wait_child(a, "2 gate ready for 0");
    CHECK_INT(app_get_worker(a, 0, &now), ==, 1);
    CHECK_INT(now.pid, ==, before.pid);
    CHECK_INT(now.status, ==, WORKER_ACTIVE);
    CHECK_INT(now.start_time, ==, before.start_time);
    CHECK_INT(now.crash_count, ==, 1);
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 2);
    CHECK_INT(stats.total_restarts, ==, 1);
    lab_expect_events(a, "start 0; start 1; exit 0 137 crash; start 0");

    gate_open("ready");
    app_wait_out(a, "event exit 0 143 graceful");
    CHECK_INT(app_get_worker(a, 0, &now), ==, 1);
    CHECK_INT(now.pid, ==, replacement);
    CHECK_INT(now.status, ==, WORKER_ACTIVE);
    CHECK_INT(now.crash_count, ==, 0);
    CHECK_INT(now.start_time, >=, before.start_time);
    lab_finish_restart(a);
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.total_restarts, ==, 3);
    lab_expect_events(a, "start 0; start 1; exit 0 137 crash; start 0; "
                             "start 0; exit 0 143 graceful; start 1; exit 1 143 graceful");
    app_stop(a);
}
