/* contract 5.2: a restart is asked for as soon as a slow worker listens, so soon that the master reads the request first (it
   is stopped meanwhile, as a busy machine stops it): the time that the worker took counts all the same, and so do its sockets. */
#include "lab.h"

#include <string.h>

static int worker(void)
{
    if (strcmp(release_own(), "1") == 0)
        lab_wait_for(5500); /* the clock is the subject: the limit for the replacement is 16.5 s then, */
    else
        lab_wait_for(10500); /* and it takes more than the 10 s that it had by default */
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path);
    app_wait_out(a, "master ready");
    release_install(path, "2");
    CHECK_INT(kill(a->pid, SIGSTOP), ==, 0);
    WAIT_UNTIL(proc_state(a->pid) == 'T');
    app_wait_out(a, "worker 0 listening");
    CHECK_INT(kill(a->pid, SIGUSR2), ==, 0);
    CHECK_INT(kill(a->pid, SIGCONT), ==, 0);
    lab_wait_for(9000);
    app_wait_out(a, "event exit 0 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 0; exit 0 143 graceful");
    CHECK_STR(release_of_worker(a, 0), "2");
    app_expect_err_count(a, "", 0);
    app_stop(a);
}
