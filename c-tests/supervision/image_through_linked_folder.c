/* contract 3.5: started by a relative path in a folder that is reached through a symbolic link, as a shell after `cd
   current` does: a restart finds the new file; and where PWD tells of the link, it follows the link to the next release.
   */
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

static void deploy(const char *directory, const char *const *env, void replace(void))
{
    release_install(lab_path("release-1/app"), "1");
    app *a = app_start(.control = true, .directory = directory, .env = env, .program = "./app");
    app_wait_out(a, "master ready");
    CHECK_STR(release_of_worker(a, 0), "1");
    replace();
    pid_t old = lab_kill(a, 0, SIGKILL);
    CHECK_STR(release_of(lab_wait_new_pid(a, 0, old)), "1");
    app_ctl(a, "restart");
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "2");
    app_stop(a);
}

static void replace_file(void)
{
    release_install(lab_path("current/app"), "2");
}

static void move_link(void)
{
    CHECK_INT(symlink("release-2", lab_path("next")), ==, 0);
    CHECK_INT(rename(lab_path("next"), lab_path("current")), ==, 0);
}

void test_main(void)
{
    static char pwd[300];
    CHECK_INT(mkdir(lab_path("release-1"), 0755), ==, 0);
    CHECK_INT(mkdir(lab_path("release-2"), 0755), ==, 0);
    CHECK_INT(symlink("release-1", lab_path("current")), ==, 0);
    release_install(lab_path("release-2/app"), "2");

    test_case("without PWD");
    deploy(lab_path("current"), (const char *const[]){"PWD", NULL}, replace_file);
    test_case("a PWD that is wrong");
    deploy(lab_path("current"), (const char *const[]){"PWD=/", NULL}, replace_file);
    test_case("a PWD that names the link");
    snprintf(pwd, sizeof pwd, "PWD=%s", lab_path("current"));
    deploy(lab_path("current"), (const char *const[]){pwd, NULL}, move_link);
}
