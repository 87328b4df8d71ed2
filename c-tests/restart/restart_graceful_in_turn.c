/* contract 5.1, 3.2: a worker that ends gracefully (an operator's kill -TERM) while its replacement starts, or before
   its turn, stays down; the restart goes on with the others. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 4, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    app *a = release_start(path, 4);
    release_install(path, "2 gate ready for 1");
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 0 143 graceful");
    WAIT_UNTIL(app_children(a, (pid_t[8]){0}, 8) == 5);
    lab_kill(a, 2, SIGTERM);
    app_wait_out(a, "event exit 2 143 graceful");
    lab_kill(a, 1, SIGTERM);
    app_wait_out(a, "event exit 3 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; start 2; start 3; start 0; exit 0 143 graceful; exit 2 143 graceful; "
                         "exit 1 143 graceful; start 3; exit 3 143 graceful");
    cluster_stats_t stats;
    worker_stats_t worker;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 2);
    CHECK_INT(stats.total_restarts, ==, 2);
    CHECK_INT(app_get_worker(a, 1, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_STOPPING);
    CHECK_INT(worker.pid, ==, 0);
    WAIT_UNTIL(app_children(a, (pid_t[8]){0}, 8) == 2); /* the replacement of worker 1 is gone, too */
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}
