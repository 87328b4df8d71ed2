/* contract 3.5: the path that the program was started by is made absolute at start, so a program may be started by a
   relative path and change its directory before or after cluster_init. */
#include "lab.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool chdir_after_init = false;

static void on_start(uint8_t worker_id)
{
    (void)worker_id;
    if (chdir_after_init)
        CHECK_INT(chdir("/"), ==, 0);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {
        .cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, .on_start = on_start};
    if (strcmp(variant, "before") == 0)
        CHECK_INT(chdir("/"), ==, 0);
    chdir_after_init = strcmp(variant, "after") == 0;
    return lab_main(&options, argc, argv, plain_worker);
}

static void deploy(const char *variant, const char *directory, const char *program)
{
    release_install(lab_path("bin/app"), "1");
    app *a = app_start(.control = true, .variant = variant, .directory = directory, .program = program);
    app_wait_out(a, "master ready");
    CHECK_STR(release_of_worker(a, 0), "1");
    release_install(lab_path("bin/app"), "2");
    pid_t old = lab_kill(a, 0, SIGKILL);
    old = lab_wait_new_pid(a, 0, old);
    CHECK_STR(release_of(old), "1");
    app_ctl(a, "restart");
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "2");
    app_stop(a);
}

void test_main(void)
{
    CHECK_INT(mkdir(lab_path("bin"), 0755), ==, 0);
    test_case("./app, chdir before cluster_init");
    deploy("before", lab_path("bin"), "./app");
    test_case("bin/app, chdir before cluster_init");
    deploy("before", lab_folder(), "bin/app");
    test_case("../bin/app, chdir after cluster_init");
    deploy("after", lab_path("bin"), "../bin/app");
}
