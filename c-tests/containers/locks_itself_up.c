/* contract 6.3: a worker that permits itself no more threads, once it listens and before it waits in its loop, is drained as another one is: the
   library's thread that does it has not gone before. A restart is prompt, although the worker has a minute. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

static const long denied[] = {SYS_clone, SYS_clone3, -1};

static void enter(void)
{
    box_deny(denied, EPERM);
}

static int worker(void)
{
    int listener = rig_listen("127.0.0.1", cluster_get_port(), 0);
    enter();
    CHECK_INT(fork(), ==, -1); /* the test of the test */
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .shutdown_timeout_ms = 60000};
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    /* A child of its own tries, for the filter stays. */
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        enter();
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), ==, child);
    if (status != 0) {
        printf("NOT CHECKED: a program that locks itself up, for this machine permits no seccomp filter\n");
        return;
    }
    app *a = box_start(.variant = "locked");
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    for (int i = 0; i < 2; i++) {
        /* Time to go, if it would: it looks after 5 ms and then after ever longer times. */
        lab_wait_for(200);
        rig_get("127.0.0.1", a->port, "/");
        rig_restart(a);
    }
    app_expect_err_count(a, "CHECK", 0);
    app_stop(a);
}
