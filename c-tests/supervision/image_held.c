/* contract 3.5: a crash respawn runs the image of the worker that it replaces, even if the file was replaced or removed
   since; a graceful restart runs the new file, and crash respawns after it, too. */
#include "lab.h"

#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_max_crashes = 100,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static void expect_respawn_as(app *a, int id, const char *release)
{
    pid_t old = lab_kill(a, id, SIGKILL);
    pid_t pid = lab_wait_new_pid(a, id, old);
    CHECK_STR(release_of(pid), release);
}

void test_main(void)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path);
    app_wait_out(a, "master ready");
    CHECK_STR(release_of(a->pid), "1");
    CHECK_STR(release_of_worker(a, 0), "1");

    test_case("replaced on disk");
    release_install(path, "2");
    expect_respawn_as(a, 0, "1");
    expect_respawn_as(a, 0, "1");
    test_case("removed from disk");
    CHECK_INT(unlink(path), ==, 0);
    expect_respawn_as(a, 0, "1");
    expect_respawn_as(a, 1, "1");
    test_case("there again, but another one");
    release_install(path, "3");
    expect_respawn_as(a, 1, "1");

    test_case("graceful restart");
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);
    app_ctl(a, "restart");
    lab_finish_restart(a);
    CHECK_INT(app_worker_pid(a, 0), !=, first);
    CHECK_INT(app_worker_pid(a, 1), !=, second);
    CHECK_STR(release_of_worker(a, 0), "3");
    CHECK_STR(release_of_worker(a, 1), "3");
    test_case("removed after the restart");
    CHECK_INT(unlink(path), ==, 0);
    expect_respawn_as(a, 0, "3");
    expect_respawn_as(a, 1, "3");
    app_stop(a);
}
