/* contract 3.1, 3.4: the crash line tells how many whole seconds the worker lived, as its uptime did before. */
#include "lab.h"

#include <stdio.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    int64_t before_start = ct_now_ms();
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    int64_t after_start = ct_now_ms();
    worker_stats_t worker;
    WAIT_UNTIL(app_get_worker(a, 0, &worker) == 1 && worker.uptime_seconds >= 1);
    CHECK_INT(ct_now_ms() - before_start, >=, 1000);
    long long uptime = worker.uptime_seconds;

    int64_t before_kill = ct_now_ms();
    lab_kill(a, 0, SIGKILL);
    const char *line = app_wait_err(a, "Worker 0 crashed");
    int64_t after_kill = ct_now_ms();
    int seconds = -1;
    CHECK_INT(sscanf(line, "[ERROR] Worker 0 crashed after %d s (signal 9)", &seconds), ==, 1);
    CHECK_INT(seconds, >=, uptime);
    CHECK_INT(seconds, >=, (before_kill - after_start) / 1000);
    CHECK_INT(seconds, <=, (after_kill - before_start) / 1000);
    app_stop(a);
}
