/* contract 5.1, 3.1, 3.6: the old worker crashes while its replacement starts: that is reported, the replacement takes
   its place, and the restart goes on. */
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
    app *a = release_start(path, 2);
    release_install(path, "2 gate ready for 0");
    app_ctl(a, "restart");
    release_wait_child(a, "2 gate ready for 0");
    lab_kill(a, 0, SIGKILL);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(signal 9\\)$");
    gate_open("ready");
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; exit 0 137 crash; start 0; start 1; exit 1 143 graceful");
    CHECK_STR(release_of_worker(a, 0), "2 gate ready for 0");
    CHECK_STR(release_of_worker(a, 1), "2 gate ready for 0");
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.total_restarts, ==, 2);
    CHECK_INT(stats.active_workers, ==, 2);
    app_expect_err_count(a, "[ERROR]", 1);
    app_stop(a);
}
