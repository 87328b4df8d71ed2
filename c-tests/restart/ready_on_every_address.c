/* contract 5.2: ready means that the replacement listens on every address with the cluster's port on which its
   predecessor listened, not on some of them. */
#include "lab.h"

#include <string.h>

/* With the gate: the second address only when the driver wants. */
static int worker(void)
{
    lab_obey();
    plain_listen("127.0.0.1", cluster_get_port());
    say("worker %u half", cluster_worker_id());
    if (strcmp(release_own(), "2") == 0)
        gate_wait("second");
    plain_listen("127.0.0.2", cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    app *a = release_start(path, 1);
    pid_t old = app_worker_pid(a, 0);
    release_install(path, "2");
    app_ctl(a, "restart");
    app_wait_out_times(a, "worker 0 half", 2);
    /* Two signals' ways through the master and the old worker: the master has seen the first listen and acted on it by then. */
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    app_ctl(a, "signal %d", SIGHUP);
    app_wait_out(a, "re:^worker 0 got 1$");
    CHECK_INT(app_worker_pid(a, 0), ==, old);
    lab_expect_events(a, "start 0");

    gate_open("second");
    app_wait_out(a, "event exit 0 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 0; exit 0 143 graceful");
    CHECK_STR(release_of_worker(a, 0), "2");
    app_stop(a);
}
