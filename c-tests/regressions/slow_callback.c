/* contract 5.2: a callback of the program takes longer than a replacement may, and the replacement becomes ready meanwhile: when the callback
   is over, it is no failed deploy. */
#include "lab.h"

static void slow_on_exit(uint8_t worker_id, int exit_status, bool is_crash)
{
    lab_on_exit(worker_id, exit_status, is_crash);
    if (is_crash)
        gate_wait("callback");
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .on_start = lab_on_start, .on_exit = slow_on_exit};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    app *a = release_start(path, 2);
    release_install(path, "2 gate ready");
    app_ctl(a, "restart");
    pid_t replacement = release_wait_child(a, "2 gate ready");
    int64_t begin = ct_now_ms(); /* it was made before this */
    lab_kill(a, 1, SIGKILL);
    app_wait_out(a, "event exit 1 137 crash"); /* here the callback begins */
    gate_open("ready");
    app_wait_out_times(a, "worker 0 listening", 2);
    lab_wait_for(begin + 10100 - ct_now_ms()); /* the 10 s are the subject */
    gate_open("callback");
    app_wait_out(a, "event exit 0 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; exit 1 137 crash; start 0; exit 0 143 graceful; start 1");
    CHECK_INT(app_worker_pid(a, 0), ==, replacement);
    app_expect_err_count(a, "given up", 0);
    app_stop(a);
}
