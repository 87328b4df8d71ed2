/* contract 5.2, 3.5: a deploy that fails at the second worker: the first one stays with the new image, the others with
   the old one, each through its crashes, too; a next good deploy replaces all. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

static void crash_and_expect(app *a, int id, const char *release)
{
    pid_t old = lab_kill(a, id, SIGKILL);
    CHECK_STR(release_of(lab_wait_new_pid(a, id, old)), release);
}

void test_main(void)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    pid_t second = app_worker_pid(a, 1), third = app_worker_pid(a, 2);
    release_install(path, "2 exit 5 for 1");
    app_ctl(a, "restart");
    CHECK_MATCH(app_wait_err(a, "[ERROR]"), "re:orker 1.*exit 5");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; start 2; start 0; exit 0 143 graceful");
    CHECK_INT(app_worker_pid(a, 1), ==, second);
    CHECK_INT(app_worker_pid(a, 2), ==, third);
    app_expect_err_count(a, "[ERROR]", 1);

    crash_and_expect(a, 0, "2 exit 5 for 1");
    crash_and_expect(a, 1, "1");
    crash_and_expect(a, 2, "1");
    crash_and_expect(a, 1, "1");

    release_install(path, "3");
    app_ctl(a, "restart");
    app_wait_out_times(a, "event start 2", 3);
    lab_finish_restart(a);
    for (int id = 0; id < 3; id++)
        CHECK_STR(release_of_worker(a, id), "3");
    crash_and_expect(a, 1, "3");
    app_stop(a);
}
