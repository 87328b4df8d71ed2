/* contract 3.7: as PID 1, as in a container without an init, the master also reaps orphans of other sessions; those of
   its own session, which the program may wait for, are left alone. */
#include "internal.h"
#include "lab.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool command(const char *text, char *answer, size_t size)
{
    int pid = 0;
    if (strcmp(text, "orphan own session") == 0)
        snprintf(answer, size, "pid=%d", (int)pid1_make_orphan(true));
    else if (strcmp(text, "orphan same session") == 0)
        snprintf(answer, size, "pid=%d", (int)pid1_make_orphan(false));
    else if (sscanf(text, "state %d", &pid) == 1)
        snprintf(answer, size, "state=%d", proc_state(pid));
    else
        return false;
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    if (strcmp(variant, "namespace") == 0)
        return pid1_run(argv, "run");
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return server_serve(cluster_get_port());
    say("master ready as %d", (int)getpid());
    cluster_wait_workers();
    return 0;
}

/* ---- driver -------------------------------------------------------------------------------------------------------- */

static int state(app *a, int pid)
{
    return (int)ctl_field(app_ctl(a, "state %d", pid), "state");
}

static int orphan(app *a, const char *session)
{
    int pid = (int)ctl_field(app_ctl(a, "orphan %s session", session), "pid");
    CHECK_INT(pid, >, 1);
    return pid;
}

void test_main(void)
{
    app *a = app_start(.control = true, .variant = "namespace");
    if (pid1_is_refused(a)) {
        printf("NOT CHECKED: orphans of a master that is PID 1 (contract 3.7), for this machine gives no PID namespace: %s", a->out.data);
        ct_watchdog_end();
        exit(PID1_REFUSED);
    }
    app_wait_out(a, "master ready as 1");
    int kept = orphan(a, "same");
    WAIT_UNTIL(state(a, kept) == 'Z');
    int reaped = orphan(a, "own");
    WAIT_UNTIL(state(a, reaped) == 0);
    CHECK_INT(state(a, kept), ==, 'Z');

    /* And the cluster does what it does elsewhere. */
    http_request(http_open_worker(a->port, 0), "/exit?3", CT_WAIT_MS);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(exit 3\\)$");
    app_wait_out_times(a, "event start 0", 2);
    app_wait_serving(a, 2);
    reaped = orphan(a, "own");
    WAIT_UNTIL(state(a, reaped) == 0);
    app_expect_err_count(a, "[WARN]", 0);
    app_stop(a);
}
