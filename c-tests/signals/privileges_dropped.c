/* contract 4.1: a master that may not signal its workers any more, for it changed its user, tells them over the channel
   and they signal themselves: SIGUSR1, SIGTERM, and SIGKILL for one that hangs. */
#include "internal.h"
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED 77
#define TIMEOUT_MS 5000

static int worker(void)
{
    return cluster_worker_id() == 0 ? plain_worker() : stubborn_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {
        .cpus = 2, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = TIMEOUT_MS, LAB_EVENTS};
    control_start(NULL);
    if (!cluster_init(&options, argc, argv))
        return worker();
    if (setgid(65534) != 0 || setuid(65534) != 0) {
        say("refused: %s", strerror(errno));
        return SKIPPED;
    }
    say("master ready");
    cluster_wait_workers();
    return 0;
}

/* The driver may signal the workers, so the test first makes sure that the master may not. */
static void expect_foreign(app *a, int id)
{
    char uid[64];
    CHECK(proc_status_field(app_worker_pid(a, id), "Uid", uid, sizeof uid));
    CHECK_STR(uid, "0\t0\t0\t0");
    CHECK(proc_status_field(a->pid, "Uid", uid, sizeof uid));
    CHECK_STR(uid, "65534\t65534\t65534\t65534");
}

void test_main(void)
{
    if (geteuid() != 0) {
        printf("NOT CHECKED: a master that changes its user (contract 4.1), for that takes root\n");
        ct_watchdog_end();
        exit(SKIPPED);
    }
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    expect_foreign(a, 0);
    expect_foreign(a, 1);
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    app_wait_out(a, "worker 1 got 10");

    int64_t before = ct_now_ms();
    kill(a->pid, SIGTERM);
    app_wait_out(a, "event exit 0 143 graceful");
    app_wait_out(a, "worker 1 got 15");
    app_expect_exit(a, 0);
    app_expect_out_count(a, "event exit 1 137 graceful", 1);
    CHECK_INT(lab_event_ms(a, 3) - before, >=, TIMEOUT_MS - 2);
    app_expect_none_left(a);
}
