/* contract 2.1, 2.3, 7.2: one worker needs few descriptors: a hard limit of 50 is enough to start, to respawn and to restart. */
#include "lab.h"

#include <sys/resource.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

/* Hard, so that the master cannot raise it; a user without rights, so that it may not. */
static void prepare(void)
{
    struct rlimit limit = {50, 50};
    become_unprivileged();
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(125);
}

void test_main(void)
{
    app *a = app_start(.control = true, .before_exec = prepare);
    app_wait_out(a, "master ready");
    for (int round = 1; round <= 10; round++) { /* so that a descriptor that stays open is noticed */
        pid_t old = app_worker_pid(a, 0);
        if (round % 5 == 1)
            CHECK_INT(kill(old, SIGKILL), ==, 0);
        else
            app_ctl(a, "restart");
        lab_wait_new_pid(a, 0, old);
        lab_finish_restart(a);
    }
    app_expect_err_count(a, "[ERROR]", 2); /* the crashes */
    app_expect_err_count(a, "", 2);
    app_stop(a);
}
