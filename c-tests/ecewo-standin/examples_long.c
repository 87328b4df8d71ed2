/* The examples that print much: statistics.c, reference-statistics.c and full.c. They use printf into a pipe, so what they print can be
 * looked at after their end. */
#include "examples.h"

#include <stdio.h>
#include <string.h>

void test_statistics(void)
{
    char line[96];
    pid_t pids[2];
    app *a = start_example(NULL);
    app_wait_out_times(a, "Server listening on", 2);
    wait_for_workers(a, 2, NULL, pids);
    kill(pids[1], SIGKILL);
    app_wait_err(a, "Worker 1 crashed");
    app_stop(a);

    /* Printed three times: after the start, after the crash of worker 1 (respawn is off), after the end of worker 0. */
    app_expect_out_count(a, "=== Cluster Statistics ===", 3);
    app_expect_out_count(a, "Failed to get stats", 0);
    app_expect_out_count(a, "re:^Total workers: 2$", 3);
    app_expect_out_count(a, "re:^Active: 2$", 1);
    app_expect_out_count(a, "re:^Crashed: 0$", 1);
    app_expect_out_count(a, "re:^Crashed: 1$", 2);
    app_expect_out_count(a, "re:^Disabled: 0$", 3);
    app_expect_out_count(a, "re:^Total restarts: 0$", 3);
    /* The second time may be a moment after the line on stderr, and SIGTERM may have come in between. */
    int stopping = app_count_out(a, "re:^Shutdown requested: yes$");
    CHECK_INT(stopping, >=, 1);
    CHECK_INT(stopping, <=, 2);
    app_expect_out_count(a, "re:^Shutdown requested: no$", 3 - stopping);
    app_expect_out_count(a, "re:^Restart in progress: no$", 3);
    snprintf(line, sizeof line, "re:^Worker 1: PID=%d, Port=%u, Status=1, Uptime=[0-9]+s, Crashes=0$", (int)pids[1], (unsigned)a->port);
    app_expect_out_count(a, line, 1);
    snprintf(line, sizeof line, "re:^Worker 1: PID=0, Port=%u, Status=3, Uptime=0s, Crashes=1$", (unsigned)a->port);
    app_expect_out_count(a, line, 2);
    snprintf(line, sizeof line, "re:^Worker 0: PID=%d, Port=%u, Status=1, Uptime=[0-9]+s, Crashes=0$", (int)pids[0], (unsigned)a->port);
    app_expect_out_count(a, line, 2);
    snprintf(line, sizeof line, "re:^Worker 0: PID=0, Port=%u, Status=2, Uptime=0s, Crashes=0$", (unsigned)a->port);
    app_expect_out_count(a, line, 1);
}

/* It stops its workers by itself as soon as they run. */
void test_reference_statistics(void)
{
    app *a = start_example(NULL);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_out_count(a, "re:^Active: 2 / 2$", 1);
    app_expect_out_count(a, "re:^Worker 0: PID=[1-9][0-9]*, Status=1$", 1);
    app_expect_out_count(a, "re:^Worker 1: PID=[1-9][0-9]*, Status=1$", 1);
    app_expect_err_count(a, "[ERROR]", 0);
}

static void check_answers(app *a, int workers)
{
    wait_for_answers(a, workers, "Worker %d (PID: ");
    int id = -1, pid = 0;
    http_answer answer = http_get(a->port, "/");
    CHECK_INT(sscanf(answer.body, "Worker %d (PID: %d)", &id, &pid), ==, 2);
    CHECK_INT(pid, ==, example_worker(a, id));
    answer = http_get(a->port, "/stats");
    CHECK_INT(answer.status, ==, 500);
    CHECK_STR(answer.body, "Not master process");
}

void test_full(void)
{
    int workers = cluster_cpus_physical();
    char line[96];
    pid_t first[256], second[256];
    app *a = start_example(NULL);
    app_wait_out_times(a, "Server listening on", workers);
    wait_for_workers(a, workers, NULL, first);
    check_answers(a, workers);
    kill(a->pid, SIGUSR2);
    wait_for_workers(a, workers, first, second);
    check_answers(a, workers);
    kill(second[0], SIGSEGV);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(signal 11\\)$");
    wait_for_new_worker(a, 0, second[0]);
    app_wait_out_times(a, "Server listening on", 2 * workers + 1);
    check_answers(a, workers);
    app_stop(a);

    snprintf(line, sizeof line, "Master process started (PID: %d)", (int)a->pid);
    app_expect_out_count(a, line, 1);
    snprintf(line, sizeof line, "Send SIGUSR2 for graceful restart: kill -USR2 %d", (int)a->pid);
    app_expect_out_count(a, line, 1);
    app_expect_out_count(a, "All workers exited. Shutting down.", 1);
    snprintf(line, sizeof line, "re:^\\] Worker [0-9]+ started \\(PID: %d\\)$", (int)a->pid); /* ctime() ends its line */
    app_expect_out_count(a, line, 2 * workers + 1);
    app_expect_out_count(a, "re:^\\] Worker 0 CRASHED \\(exit: 139\\)$", 1);
    app_expect_out_count(a, "re:^\\] Worker [0-9]+ exited gracefully \\(exit: 0\\)$", 2 * workers);
}
