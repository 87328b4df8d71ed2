/* contract 3.1, 3.2, 3.4: a worker that exits with 0 or dies of SIGTERM or SIGINT, whoever sent it, has ended
   gracefully: no crash line, no respawn, a slot that is STOPPING without a process. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 5, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static void expect_ended(app *a, int id, int exit_status)
{
    worker_stats_t worker;
    CHECK_INT(app_get_worker(a, id, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_STOPPING);
    CHECK_INT(worker.pid, ==, 0);
    CHECK_INT(worker.uptime_seconds, ==, 0);
    CHECK_INT(worker.exit_status, ==, exit_status);
    CHECK_INT(worker.crash_count, ==, 0);
    CHECK_INT(worker.respawn_disabled, ==, false);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 5);
    lab_expect_events(a, "start 0; start 1; start 2; start 3; start 4");

    lab_tell(app_worker_pid(a, 0), 0); /* exits with 0 */
    app_wait_out(a, "event exit 0 0 graceful");
    expect_ended(a, 0, 0);
    lab_kill(a, 1, SIGTERM);
    app_wait_out(a, "event exit 1 143 graceful");
    expect_ended(a, 1, 143);
    lab_kill(a, 2, SIGINT);
    app_wait_out(a, "event exit 2 130 graceful");
    expect_ended(a, 2, 130);
    lab_tell(app_worker_pid(a, 3), 1000 + SIGTERM); /* sends it to itself */
    app_wait_out(a, "event exit 3 143 graceful");
    expect_ended(a, 3, 143);

    /* A crash now, later than all of them, is respawned: so they would have been, too. */
    lab_tell(app_worker_pid(a, 4), 3);
    app_wait_out_times(a, "event start 4", 2);
    lab_expect_events(a, "start 0; start 1; start 2; start 3; start 4; exit 0 0 graceful; exit 1 143 graceful; "
                             "exit 2 130 graceful; exit 3 143 graceful; exit 4 3 crash; start 4");
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.total_workers, ==, 5);
    CHECK_INT(stats.active_workers, ==, 1);
    CHECK_INT(stats.crashed_workers, ==, 0);
    CHECK_INT(stats.disabled_workers, ==, 0);
    CHECK_INT(stats.shutdown_requested, ==, false);
    CHECK_INT(stats.total_restarts, ==, 1);
    app_expect_err_count(a, "crashed", 1);
    app_expect_err_count(a, "[ERROR]", 1);
    app_stop(a);
}
