/* contract 5.4: requests during a restart are remembered, once, and run after it. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

static uint64_t total_restarts(app *a)
{
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    return stats.total_restarts;
}

void test_main(void)
{
    const char *path = lab_path("app");
    app *a = release_start(path, 2);
    release_install(path, "2 gate ready for 1");
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 0 143 graceful"); /* the restart is in its middle, at the gate of worker 1 */
    for (int i = 0; i < 5; i++)
        app_ctl(a, "restart");
    kill(a->pid, SIGUSR2);
    kill(a->pid, SIGUSR2);
    app_ctl(a, "stats");
    gate_open("ready");
    app_wait_out_times(a, "event exit 1 143 graceful", 2);
    lab_finish_restart(a);
    CHECK_INT(total_restarts(a), ==, 4);

    /* One more: were there still one remembered, it would run before or after this one. */
    app_ctl(a, "restart");
    app_wait_out_times(a, "event exit 1 143 graceful", 3);
    lab_finish_restart(a);
    CHECK_INT(total_restarts(a), ==, 6);
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}
