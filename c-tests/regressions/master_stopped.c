/* contract 5.2: the master is stopped (SIGSTOP, a debugger, a suspended machine) for longer than a replacement may take, and the replacement
   becomes ready meanwhile: when the master goes on, it is no failed deploy. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    app *a = release_start(path, 1);
    pid_t old = app_worker_pid(a, 0);
    release_install(path, "2 gate ready");
    app_ctl(a, "restart");
    pid_t replacement = release_wait_child(a, "2 gate ready");
    int64_t begin = ct_now_ms(); /* it was made before this */
    CHECK_INT(kill(a->pid, SIGSTOP), ==, 0);
    WAIT_UNTIL(proc_state(a->pid) == 'T');
    gate_open("ready");
    app_wait_out_times(a, "worker 0 listening", 2);
    lab_wait_for(begin + 10100 - ct_now_ms()); /* the 10 s are the subject */
    CHECK(proc_alive(replacement));
    CHECK_INT(kill(a->pid, SIGCONT), ==, 0);
    app_wait_out(a, "event exit 0 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 0; exit 0 143 graceful");
    CHECK_INT(app_worker_pid(a, 0), ==, replacement);
    CHECK(!proc_alive(old));
    app_expect_err_count(a, "", 0);
    app_stop(a);
}
