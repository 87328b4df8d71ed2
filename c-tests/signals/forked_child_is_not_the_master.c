/* contract 4.1, 4.2: a child that the master's program forked without exec shares the library's handlers and
   descriptors, but is not the master: signals to it, and what it calls, stop and restart nothing; it dies of SIGTERM
   like any process. */
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child = 0;

static void be_child(void)
{
    signal(SIGUSR1, SIG_IGN);
    cluster_graceful_restart();
    cluster_signal_workers(SIGTERM);
    cluster_wait_workers();
    raise(SIGUSR2); /* the default effect of this one would be its end: so it may end here already */
    say("the child lives");
    lab_sleep_for_ever();
}

static bool command(const char *text, char *answer, size_t size)
{
    int status = 0;
    if (strcmp(text, "fork") == 0) {
        child = fork();
        if (child == 0)
            be_child();
        snprintf(answer, size, "pid=%d", (int)child);
        return true;
    }
    if (strcmp(text, "collect") != 0)
        return false;
    kill(child, SIGTERM);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    snprintf(answer, size, "signal=%d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    say("master ready");
    cluster_wait_workers();
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t pid = (pid_t)ctl_field(app_ctl(a, "fork"), "pid");
    CHECK_INT(pid, >, 1);
    WAIT_UNTIL(!proc_alive(pid) || app_count_out(a, "the child lives") > 0);
    long long ended_by = ctl_field(app_ctl(a, "collect"), "signal");
    CHECK_MSG(ended_by == SIGTERM || ended_by == SIGUSR2, "the child ended by signal %lld", ended_by);

    /* The cluster knows nothing of all that. */
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    app_wait_out(a, "worker 1 got 10");
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.shutdown_requested, ==, false);
    CHECK_INT(stats.restart_requested, ==, false);
    CHECK_INT(stats.total_restarts, ==, 0);
    CHECK_INT(stats.active_workers, ==, 2);
    lab_expect_events(a, "start 0; start 1");
    app_stop(a);
}
