/* contract 5.5, 5.1: 255 workers are replaced, one after the other.
 * ctest: serial */
#include "lab.h"

#include <stdio.h>

#define WORKERS 255

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = WORKERS, .port = app_port(argv), .respawn = false, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static void wait_long(app *a, const char *pattern, int times)
{
    int64_t end = ct_deadline(80 * 1000);
    while (app_count_out(a, pattern) < times && !a->ended && ct_now_ms() < end)
        ct_pump(100);
    app_wait_out_times(a, pattern, times);
}

void test_main(void)
{
    test_time_limit(170);
    app *a = app_start(.control = true);
    wait_long(a, "master ready", 1);
    wait_long(a, "listening", WORKERS);
    int64_t before = ct_now_ms();
    app_ctl(a, "restart");
    wait_long(a, "143 graceful", WORKERS);
    printf("restart of %d workers: %lld ms\n", WORKERS, (long long)(ct_now_ms() - before));
    lab_finish_restart(a);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.total_restarts, ==, WORKERS);
    CHECK_INT(stats.active_workers, ==, WORKERS);
    app_expect_out_count(a, "event start", 2 * WORKERS);
    app_expect_err_count(a, "[ERROR]", 0);
    kill(a->pid, SIGTERM);
    wait_long(a, "master done", 1);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}
