/* contract 3.2, 4.1, 4.3, 4.4, 5.1, 7.2: a seccomp filter, as sandboxes have them, refuses pidfd_open, pidfd_getfd and memfd_create, and
   pidfd_send_signal and close_range as well, as "not permitted" or as "no such call": the cluster lives as elsewhere, and its workers end with their master
   even if a child that this has forked holds the other end of their channels. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static const long descriptors[] = {SYS_pidfd_open, SYS_pidfd_getfd, SYS_memfd_create, -1};
/* Neither can the thread that watches the master have descriptors of its own then. */
static const long signals_too[] = {SYS_pidfd_open, SYS_pidfd_getfd, SYS_memfd_create, SYS_pidfd_send_signal, SYS_close_range, -1};
static const long *denied;
static int error;

static void enter(void)
{
    box_deny(denied, error);
}

int app_main(int argc, char **argv, const char *variant)
{
    CHECK_INT(syscall(SYS_pidfd_open, getpid(), 0), ==, -1); /* the test of the test */
    return box_main(argc, argv, variant);
}

static void ends_with_its_master(void)
{
    int child = 0;
    pid_t left[8];
    app *a = box_start(.before_exec = enter, .variant = "fork");
    CHECK_INT(sscanf(app_wait_out(a, "master ready"), "master ready, child %d", &child), ==, 1);
    rig_wait_listening(a, 0, 1);
    rig_wait_listening(a, 1, 1);
    app_kill(a);
    WAIT_UNTIL(app_processes(a, left, 8) == 1);
    CHECK_INT(left[0], ==, child);
    kill(child, SIGKILL);
    lab_wait_orphan(child);
    app_expect_none_left(a);
}

/* A worker that is stopped reads no order from its channel either: it must be killed all the same, and nothing else may be. */
static void kills_what_is_stopped(void)
{
    app *a = box_start(.before_exec = enter, .variant = "short");
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    rig_wait_listening(a, 1, 1);
    rig_stop_process(app_worker_pid(a, 0));
    app_stop(a);
}

static void with(const char *name, const long *calls, int number)
{
    test_case(name);
    denied = calls;
    error = number;
    app *a = box_start(.before_exec = enter);
    box_life(a);
    app_stop(a);
    ends_with_its_master();
    kills_what_is_stopped();
}

void test_main(void)
{
    test_time_limit(170);
    denied = descriptors;
    error = EPERM;
    if (!box_can(enter, "a seccomp filter"))
        return;
    with("no pidfd_open: EPERM", descriptors, EPERM);
    with("no pidfd_open: ENOSYS", descriptors, ENOSYS);
    with("no pidfd_send_signal either: EPERM", signals_too, EPERM);
    with("no pidfd_send_signal either: ENOSYS", signals_too, ENOSYS);
}
