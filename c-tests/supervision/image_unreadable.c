/* contract 3.5: a program file that may be executed but not read (mode 0111): the image is held all the same. */
#include "lab.h"

#include <sys/stat.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

/* become_unprivileged of the harness leaves the right to read every file, which is the one that must be missing here. */
static void drop_rights(void)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(125);
}

void test_main(void)
{
    const char *path = copy_program();
    CHECK_INT(chmod(path, 0111), ==, 0);
    app *a = app_start(.control = true, .program = path, .before_exec = drop_rights);
    app_wait_out(a, "master ready");
    pid_t old = app_worker_pid(a, 0);
    CHECK_INT(unlink(path), ==, 0);
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    lab_wait_new_pid(a, 0, old);
    lab_expect_events(a, "start 0; exit 0 137 crash; start 0");
    lab_wait_listening(a, 1);
    app_expect_err_count(a, "[ERROR]", 1);
    app_stop(a);
}
