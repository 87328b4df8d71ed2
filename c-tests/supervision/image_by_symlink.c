/* contract 3.5: a deploy by a symbolic link, current -> release-1 to current -> release-2: crash respawns stay, restarts
   follow the link. The link may be the file itself, a folder on the way, or both. */
#include "lab.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    return lab_main(&options, argc, argv, plain_worker);
}

/* As `ln -sfn` does: there is a link at any moment. */
static void point(const char *link, const char *target)
{
    const char *beside = lab_path("link.new");
    CHECK_INT(symlink(target, beside), ==, 0);
    CHECK_INT(rename(beside, link), ==, 0);
}

static void deploy_by(const char *program, const char *link, const char *first, const char *second)
{
    point(link, first);
    app *a = app_start(.control = true, .program = program);
    app_wait_out(a, "master ready");
    CHECK_STR(release_of_worker(a, 0), "1");

    point(link, second);
    pid_t old = lab_kill(a, 0, SIGKILL);
    old = lab_wait_new_pid(a, 0, old);
    CHECK_STR(release_of(old), "1");

    app_ctl(a, "restart");
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "2");

    point(link, first); /* back again */
    app_ctl(a, "restart");
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "1");
    app_expect_err_count(a, "[ERROR]", 1);
    app_stop(a);
}

void test_main(void)
{
    CHECK_INT(mkdir(lab_path("release-1"), 0755), ==, 0);
    CHECK_INT(mkdir(lab_path("release-2"), 0755), ==, 0);
    release_install(lab_path("release-1/app"), "1");
    release_install(lab_path("release-2/app"), "2");

    test_case("a folder is the link");
    deploy_by(lab_path("current/app"), lab_path("current"), "release-1", "release-2");
    test_case("the file is the link");
    deploy_by(lab_path("app"), lab_path("app"), "release-1/app", lab_path("release-2/app"));
    test_case("a link to a link");
    CHECK_INT(symlink("current/app", lab_path("bin")), ==, 0);
    deploy_by(lab_path("bin"), lab_path("current"), lab_path("release-1"), "release-2");
}
