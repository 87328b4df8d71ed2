/* contract 4.1: SIGUSR2 to the master is a graceful restart. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return app_serve(&options, argc, argv);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);
    kill(a->pid, SIGUSR2);
    app_wait_out(a, "event exit 1 0 graceful");
    lab_expect_events(a, "start 0; start 1; start 0; exit 0 0 graceful; start 1; exit 1 0 graceful");
    CHECK_INT(app_worker_pid(a, 0), !=, first);
    CHECK_INT(app_worker_pid(a, 1), !=, second);
    CHECK(!proc_alive(first) && !proc_alive(second));
    app_wait_serving(a, 2);
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}
