/* contract 3.5: the program file is replaced between the program's start and cluster_init: the workers run what the master runs, and what
   is on disk comes with the first graceful restart. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    if (lab_worker_id() < 0) {
        say("in main");
        gate_wait("init");
    }
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path, .env = lab_env());
    app_wait_out(a, "in main");
    release_install(path, "2");
    gate_open("init");
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    CHECK_STR(release_of(a->pid), "1");
    CHECK_STR(release_of_worker(a, 0), "1");
    CHECK_STR(release_of_worker(a, 1), "1");
    pid_t old = lab_kill(a, 1, SIGKILL);
    CHECK_STR(release_of(lab_wait_new_pid(a, 1, old)), "1");

    app_ctl(a, "restart");
    app_wait_out(a, "event exit 0 143 graceful");
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "2");
    CHECK_STR(release_of_worker(a, 1), "2");
    app_expect_err_count(a, "[ERROR]", 1); /* the crash */
    app_stop(a);
}
