/* contract 3.3, 3.8: a program whose workers fail at once: each is disabled, an [ERROR] line says that none is left, and
   cluster_wait_workers returns. */
#include "lab.h"

#include <stdio.h>

static int worker(void)
{
    return 9;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 10,
                       .respawn_window_sec = 50,
                       LAB_EVENTS};
    int result = lab_main(&options, argc, argv, worker);
    cluster_stats_t stats;
    if (cluster_is_worker())
        return result;
    say("after: stats %d master %d", cluster_get_stats(&stats), cluster_is_master());
    return result;
}

void test_main(void)
{
    app *a = app_start(.control = false);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "master done", 1);
    app_expect_out_count(a, "after: stats 0 master 0", 1);
    for (int id = 0; id < 3; id++) {
        char pattern[128];
        snprintf(pattern, sizeof pattern, "re:^\\[ERROR\\] Worker %d crashed after [0-9]+ s \\(exit 9\\)$", id);
        app_expect_err_count(a, pattern, 3);
        snprintf(pattern, sizeof pattern,
                 "re:^\\[ERROR\\] Worker %d crashing too fast \\(3 times in [0-9]+s\\), disabling respawn$", id);
        app_expect_err_count(a, pattern, 1);
    }
    app_expect_err_count(a, "[ERROR]", 3 * 4 + 1); /* the last one: every worker is disabled */
    app_expect_out_count(a, "event start", 9);
    app_expect_out_count(a, "9 crash", 9);
    app_expect_none_left(a);
}
