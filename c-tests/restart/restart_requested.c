/* contract 5.1, 5.4: restart_requested is true from the request itself until the last old process is gone. */
#include "lab.h"

#include <stdio.h>
#include <string.h>

static bool command(const char *text, char *answer, size_t size)
{
    cluster_stats_t stats;
    if (strcmp(text, "restart and look") != 0)
        return false;
    cluster_graceful_restart();
    cluster_get_stats(&stats);
    snprintf(answer, size, "requested=%d", stats.restart_requested);
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {
        .cpus = 2, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = 3600 * 1000, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return stubborn_worker();
    say("master ready");
    cluster_wait_workers();
    return 0;
}

void test_main(void)
{
    cluster_stats_t stats;
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.restart_requested, ==, false);
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);

    CHECK_INT(ctl_field(app_ctl(a, "restart and look"), "requested"), ==, 1);
    app_wait_out(a, "worker 0 got 15");
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.restart_requested, ==, true);
    lab_tell(first, 0);
    app_wait_out(a, "worker 1 got 15");
    WAIT_UNTIL(app_get_stats(a, &stats) == 1 && stats.total_restarts == 2);
    CHECK_INT(stats.restart_requested, ==, true); /* every replacement is there, but the last old one still runs */
    CHECK(proc_alive(second));
    lab_tell(second, 0);
    app_wait_out(a, "event exit 1 0 graceful");
    lab_finish_restart(a);

    app_wait_out_times(a, "worker 0 listening", 2);
    app_wait_out_times(a, "worker 1 listening", 2);
    kill(a->pid, SIGTERM);
    app_wait_out_times(a, "got 15", 4);
    lab_tell(app_worker_pid(a, 0), 0);
    lab_tell(app_worker_pid(a, 1), 0);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}
