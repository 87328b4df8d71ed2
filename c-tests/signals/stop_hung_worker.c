/* contract 4.1, 3.1: a worker that does not end on SIGTERM gets SIGKILL after shutdown_timeout_ms, not before; so does a
   stopped one; that end is graceful. */
#include "lab.h"

#define TIMEOUT_MS 5000

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {
        .cpus = 3, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = TIMEOUT_MS, LAB_EVENTS};
    return lab_main(&options, argc, argv, stubborn_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    pid_t stopped = lab_kill(a, 2, SIGSTOP), obedient = app_worker_pid(a, 0);
    WAIT_UNTIL(proc_state(stopped) == 'T');
    int64_t before = ct_now_ms();
    kill(a->pid, SIGTERM);
    app_wait_out(a, "worker 0 got 15");
    lab_tell(obedient, 0);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "event exit 0 0 graceful", 1);
    app_expect_out_count(a, "event exit 1 137 graceful", 1);
    app_expect_out_count(a, "event exit 2 137 graceful", 1);
    CHECK_INT(lab_event_ms(a, 4) - before, >=, TIMEOUT_MS - 2); /* the first of the two that were killed */
    app_expect_err_count(a, "crashed", 0);
    app_expect_none_left(a);
}
