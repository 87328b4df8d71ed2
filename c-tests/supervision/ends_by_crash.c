/* contract 3.1, 3.2: a non-zero exit and every other signal is a crash: one exact line, exit_status 128 + signal, a
   respawn. */
#include "lab.h"

#include <stdio.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_max_crashes = 100,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static int crashes = 0;

/* Worker 1 has ended: is it reported in the right words, once, and is there another process in its slot? */
static void expect_crash(app *a, pid_t old, const char *how, int exit_status)
{
    char pattern[128];
    worker_stats_t worker;
    crashes++;
    app_wait_err_times(a, "Worker 1 crashed", crashes);
    snprintf(pattern, sizeof pattern, "re:^\\[ERROR\\] Worker 1 crashed after [0-9]+ s \\(%s\\)$", how);
    app_expect_err_count(a, pattern, 1);
    snprintf(pattern, sizeof pattern, "event exit 1 %d crash", exit_status);
    app_wait_out(a, pattern);
    lab_wait_new_pid(a, 1, old);
    CHECK_INT(app_get_worker(a, 1, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_ACTIVE);
    CHECK_INT(worker.exit_status, ==, exit_status);
    /* Obedient again, before the next one is sent. */
    app_wait_out_times(a, "worker 1 listening", crashes + 1);
}

static void end_by_exit(app *a, int code)
{
    char how[32];
    pid_t old = app_worker_pid(a, 1);
    lab_tell(old, code);
    snprintf(how, sizeof how, "exit %d", code);
    expect_crash(a, old, how, code);
}

static void end_by_signal(app *a, int signal)
{
    char how[32];
    pid_t old = app_worker_pid(a, 1);
    /* One that the worker sends to itself, one that comes from outside. */
    if (signal == SIGSEGV || signal == SIGABRT)
        lab_tell(old, 1000 + signal);
    else
        CHECK_INT(kill(old, signal), ==, 0);
    snprintf(how, sizeof how, "signal %d", signal);
    expect_crash(a, old, how, 128 + signal);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t other = app_worker_pid(a, 0);

    end_by_exit(a, 3);
    end_by_exit(a, 1);
    end_by_exit(a, 255);
    end_by_signal(a, SIGSEGV);
    end_by_signal(a, SIGABRT);
    end_by_signal(a, SIGKILL);
    end_by_signal(a, SIGQUIT);
    end_by_signal(a, SIGUSR2);
    end_by_signal(a, SIGALRM);
    end_by_signal(a, 64);

    CHECK_INT(app_worker_pid(a, 0), ==, other);
    app_expect_err_count(a, "[ERROR]", crashes);
    app_expect_out_count(a, "event exit 1", crashes);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.total_restarts, ==, crashes);
    CHECK_INT(stats.active_workers, ==, 2);
    app_stop(a);
}
