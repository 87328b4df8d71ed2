/* contract 5.1: a slot that crashes before its turn waits for it: it is not respawned from the old image in between. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    app *a = release_start(path, 3);
    release_install(path, "2 gate ready for 1");
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 0 143 graceful"); /* now it is worker 1's turn, and its replacement waits */
    lab_kill(a, 2, SIGKILL);
    app_wait_out(a, "event exit 2 137 crash");
    /* A crash of a slot whose turn is over is respawned at once; so worker 2 would have been, earlier. */
    pid_t old = lab_kill(a, 0, SIGKILL);
    lab_wait_new_pid(a, 0, old);
    app_wait_out_times(a, "event start 0", 3);
    app_expect_out_count(a, "event start 2", 1);
    worker_stats_t worker;
    CHECK_INT(app_get_worker(a, 2, &worker), ==, 1);
    CHECK_INT(worker.pid, ==, 0);

    gate_open("ready");
    app_wait_out_times(a, "event start 2", 2);
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; start 2; start 0; exit 0 143 graceful; exit 2 137 crash; "
                             "exit 0 137 crash; start 0; start 1; exit 1 143 graceful; start 2");
    for (int id = 0; id < 3; id++)
        CHECK_STR(release_of_worker(a, id), "2 gate ready for 1");
    app_stop(a);
}
