/* contract 3.5: argv[0] does not matter; and a program that was started through a descriptor, by a path that does not
   name it any more, is found by /proc/self/exe. */
#include "lab.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* Becomes the program at argv[4], with another name or by a descriptor. */
static void launch(char **argv, bool by_descriptor)
{
    char *name = by_descriptor ? argv[4] : "/no/such/program";
    char *list[] = {name, "app:run", argv[2], argv[3], NULL};
    int fd = open(argv[4], O_PATH | O_CLOEXEC);
    if (by_descriptor)
        fexecve(fd, list, environ);
    else
        execv(argv[4], list);
    FAIL("cannot execute %s", argv[4]);
}

int app_main(int argc, char **argv, const char *variant)
{
    if (strcmp(variant, "run") != 0)
        launch(argv, strcmp(variant, "descriptor") == 0);
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    return lab_main(&options, argc, argv, plain_worker);
}

static void deploy(const char *variant)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .variant = variant, .args = (const char *const[]){path, NULL});
    app_wait_out(a, "master ready");
    CHECK_STR(release_of_worker(a, 0), "1");
    release_install(path, "2");
    pid_t old = lab_kill(a, 0, SIGKILL);
    CHECK_STR(release_of(lab_wait_new_pid(a, 0, old)), "1");
    app_ctl(a, "restart");
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "2");
    app_stop(a);
}

void test_main(void)
{
    test_case("another argv[0]");
    deploy("name");
    test_case("started through a descriptor");
    deploy("descriptor");
}
