/* contract 4.1: SIGTERM or SIGINT to the master: every worker gets SIGTERM, and the master ends when they have ended. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, stubborn_worker);
}

static void stop_by(int signal)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    kill(a->pid, signal);
    app_wait_out(a, "worker 0 got 15");
    app_wait_out(a, "worker 1 got 15");
    app_wait_out(a, "worker 2 got 15");
    cluster_stats_t stats;
    WAIT_UNTIL(app_get_stats(a, &stats) == 1 && stats.active_workers == 0);
    CHECK_INT(stats.shutdown_requested, ==, true);
    for (int id = 0; id < 3; id++)
        lab_tell(app_worker_pid(a, id), 0);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "master done", 1);
    app_expect_out_count(a, " got ", 3); /* once each, and SIGTERM also for SIGINT */
    app_expect_out_count(a, "re:^event exit . 0 graceful", 3);
    app_expect_err_count(a, "[ERROR]", 0);
    app_expect_none_left(a);
}

void test_main(void)
{
    test_case("SIGTERM");
    stop_by(SIGTERM);
    test_case("SIGINT");
    stop_by(SIGINT);
}
