/* contract 5.2, 3.2, 3.5: slots without a process when a deploy fails: one that was RESPAWNING, and one that crashed
   while it waited for its turn, are respawned from the old image; one that was CRASHED or DISABLED stays so. */
#include "lab.h"

#include <string.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = strcmp(variant, "CRASHED") != 0,
                       .worker_respawn_delay_ms = strcmp(variant, "RESPAWNING") == 0 ? 2000 : 1,
                       .respawn_max_crashes = strcmp(variant, "DISABLED") == 0 ? 1 : 200,
                       LAB_EVENTS};
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

static app *start(const char *variant)
{
    const char *path = lab_path("app");
    test_case(variant);
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path, .variant = variant, .env = lab_env());
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    return a;
}

static void fail_while_respawning(void)
{
    app *a = start("RESPAWNING");
    lab_kill(a, 0, SIGKILL);
    app_wait_out(a, "event exit 0 137 crash");
    release_install(lab_path("app"), "2 exit 1");
    size_t mark = app_mark_err(a);
    app_ctl(a, "restart");
    app_wait_err_since(a, mark, "[ERROR]");
    app_wait_out_times(a, "event start 0", 2);
    CHECK_STR(release_of_worker(a, 0), "1");
    lab_expect_events(a, "start 0; start 1; exit 0 137 crash; start 0");
    lab_finish_restart(a);
    app_stop(a);
}

static void fail_before_its_turn(void)
{
    app *a = start("waiting");
    release_install(lab_path("app"), "2 gate fail");
    app_ctl(a, "restart");
    pid_t replacement = release_wait_child(a, "2 gate fail");
    lab_kill(a, 1, SIGKILL);
    app_wait_out(a, "event exit 1 137 crash");
    kill(replacement, SIGKILL);
    app_wait_out_times(a, "event start 1", 2);
    CHECK_STR(release_of_worker(a, 1), "1");
    lab_expect_events(a, "start 0; start 1; exit 1 137 crash; start 1");
    app_expect_err_count(a, "[ERROR]", 2); /* the crash and the failed deploy */
    lab_finish_restart(a);
    app_stop(a);
}

static void fail_while_down(const char *name, worker_status_t status)
{
    worker_stats_t worker;
    app *a = start(name);
    lab_kill(a, 0, SIGKILL);
    app_wait_out(a, "event exit 0 137 crash");
    app_wait_status(a, 0, status);
    app_wait_err_times(a, "[ERROR]", status == WORKER_DISABLED ? 2 : 1);
    release_install(lab_path("app"), "2 exit 1");
    size_t mark = app_mark_err(a);
    app_ctl(a, "restart");
    app_wait_err_since(a, mark, "[ERROR]");
    lab_finish_restart(a);
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    CHECK_INT(worker.status, ==, status);
    CHECK_INT(worker.pid, ==, 0);
    lab_expect_events(a, "start 0; start 1; exit 0 137 crash");

    release_install(lab_path("app"), "3"); /* and a good one gives it its new chance */
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "3");
    app_stop(a);
}

void test_main(void)
{
    fail_while_respawning();
    fail_before_its_turn();
    fail_while_down("CRASHED", WORKER_CRASHED);
    fail_while_down("DISABLED", WORKER_DISABLED);
}
