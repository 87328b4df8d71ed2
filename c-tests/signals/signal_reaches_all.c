/* contract 4.3: cluster_signal_workers reaches every running worker: a caught signal, a real-time one, SIGSTOP and
   SIGCONT, a deadly one (which is a crash then). */
#include "lab.h"

#include <stdio.h>

static void on_real_time(int number)
{
    say("worker %u got %d", cluster_worker_id(), number);
}

static int worker(void)
{
    signal(SIGRTMIN, on_real_time);
    signal(64, on_real_time);
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

static void expect_all_get(app *a, int number)
{
    char pattern[32];
    app_ctl(a, "signal %d", number);
    for (int id = 0; id < 3; id++) {
        snprintf(pattern, sizeof pattern, "re:^worker %d got %d$", id, number);
        app_wait_out(a, pattern);
    }
}

static void wait_for_states(app *a, bool stopped)
{
    for (int id = 0; id < 3; id++) {
        pid_t pid = app_worker_pid(a, id);
        WAIT_UNTIL((proc_state(pid) == 'T') == stopped);
    }
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    expect_all_get(a, SIGUSR1);
    expect_all_get(a, SIGHUP);
    expect_all_get(a, SIGRTMIN);
    expect_all_get(a, 64);
    app_expect_out_count(a, " got ", 12); /* each of them once */

    app_ctl(a, "signal %d", SIGSTOP);
    wait_for_states(a, true);
    app_ctl(a, "signal %d", SIGCONT);
    wait_for_states(a, false);

    app_ctl(a, "signal %d", SIGQUIT);
    app_wait_err_times(a, "(signal 3)", 3);
    app_wait_out_times(a, "event start", 6);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 3);
    CHECK_INT(stats.shutdown_requested, ==, false);
    app_stop(a);
}
