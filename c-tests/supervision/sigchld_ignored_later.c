/* contract 3.7: a program that ignores SIGCHLD after cluster_init: the kernel throws the status away, but the end is
   noticed: a crash with exit_status 255 and one [WARN] line (or, where the kernel still knows it, the true status and
   none). */
#include "lab.h"

static void on_start(uint8_t worker_id)
{
    signal(SIGCHLD, SIG_IGN);
    lab_on_start(worker_id);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .on_start = on_start,
                       .on_exit = lab_on_exit};
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    CHECK(proc_ignores(a->pid, SIGCHLD));
    pid_t old = app_worker_pid(a, 0);
    lab_tell(old, 3);
    app_wait_out_times(a, "event start 0", 2);
    CHECK_INT(app_worker_pid(a, 0), !=, old);
    if (app_count_err(a, "[WARN]") == 0) {
        lab_expect_events(a, "start 0; start 1; exit 0 3 crash; start 0");
    } else {
        lab_expect_events(a, "start 0; start 1; exit 0 255 crash; start 0");
        app_expect_err_count(a, "[WARN]", 1);
        app_expect_err_count(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s", 1);
    }
    kill(a->pid, SIGTERM);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}
