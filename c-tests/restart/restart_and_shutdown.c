/* contract 5.4, 4.3: a shutdown ends a restart at once: the replacement that is not ready, the old worker and the others
   all go; nobody is replaced any more. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {
        .cpus = 2, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = 3600 * 1000, LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

static app *stop_at_gate(const char *name)
{
    const char *path = lab_path("app");
    test_case(name);
    app *a = release_start(path, 2);
    release_install(path, "2 gate closed");
    app_ctl(a, "restart");
    app_ctl(a, "restart"); /* one remembered */
    release_wait_child(a, "2 gate closed");
    return a;
}

static void expect_end(app *a, const char *end)
{
    app_expect_exit(a, 0);
    app_expect_out_count(a, "event start", 2); /* no callback for the replacement */
    app_expect_out_count(a, end, 2);
    app_expect_out_count(a, "event exit", 2);
    app_expect_out_count(a, "master done", 1);
    app_expect_none_left(a);
}

void test_main(void)
{
    app *a = stop_at_gate("SIGTERM");
    kill(a->pid, SIGTERM);
    expect_end(a, "143 graceful");
    a = stop_at_gate("SIGINT");
    kill(a->pid, SIGINT);
    expect_end(a, "143 graceful");
    a = stop_at_gate("cluster_signal_workers");
    lab_order_signal(a, SIGKILL);
    expect_end(a, "137 graceful");
}
