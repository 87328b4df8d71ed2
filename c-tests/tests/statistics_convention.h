/* contract 1.1, 1.3: what the statistics functions return and write. Two tests are made of it, one for each convention: they define
   STATS_OK and STATS_ERROR. */
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_zero_cluster(const cluster_stats_t *s)
{
    return s->total_workers == 0 && s->active_workers == 0 && s->crashed_workers == 0 && s->disabled_workers == 0 &&
           !s->shutdown_requested && !s->restart_requested && s->total_restarts == 0;
}

static bool is_zero_worker(const worker_stats_t *w)
{
    return w->worker_id == 0 && w->pid == 0 && w->port == 0 && w->status == WORKER_STARTING && w->start_time == 0 &&
           w->uptime_seconds == 0 && w->exit_status == 0 && w->crash_count == 0 && !w->respawn_disabled;
}

/* In a worker, and wherever there is no cluster: errors, outputs zeroed. */
static void check_statistics_refused(void)
{
    cluster_stats_t stats;
    worker_stats_t worker, all[3];
    memset(&stats, 0xee, sizeof stats);
    memset(&worker, 0xee, sizeof worker);
    CHECK_INT(cluster_get_stats(&stats), ==, STATS_ERROR);
    CHECK(is_zero_cluster(&stats));
    CHECK_INT(cluster_get_worker_stats(0, &worker), ==, STATS_ERROR);
    CHECK(is_zero_worker(&worker));
    CHECK_INT(cluster_get_stats(NULL), ==, STATS_ERROR);
    CHECK_INT(cluster_get_worker_stats(0, NULL), ==, STATS_ERROR);
    CHECK_INT(cluster_get_all_workers(all, 3), ==, 0);
    CHECK_INT(cluster_get_all_workers(NULL, 3), ==, 0);
}

/* In a master of two workers. */
static void check_statistics_given(uint16_t port)
{
    cluster_stats_t stats;
    worker_stats_t worker, all[4];
    memset(&stats, 0xee, sizeof stats);
    CHECK_INT(cluster_get_stats(&stats), ==, STATS_OK);
    CHECK_INT(stats.total_workers, ==, 2);
    CHECK_INT(stats.active_workers, ==, 2);
    CHECK_INT(stats.crashed_workers, ==, 0);
    CHECK_INT(stats.disabled_workers, ==, 0);
    CHECK_INT(stats.total_restarts, ==, 0);
    CHECK(!stats.shutdown_requested && !stats.restart_requested);
    for (int id = 0; id < 2; id++) {
        memset(&worker, 0xee, sizeof worker);
        CHECK_INT(cluster_get_worker_stats((uint8_t)id, &worker), ==, STATS_OK);
        CHECK_INT(worker.worker_id, ==, id);
        CHECK_INT(worker.pid, >, 0);
        CHECK_INT(worker.port, ==, port);
        CHECK_INT(worker.status, ==, WORKER_ACTIVE);
        CHECK_INT(worker.start_time, >, time(NULL) - 3600);
        CHECK_INT(worker.start_time, <=, time(NULL));
        CHECK_INT(worker.uptime_seconds, >=, 0);
        CHECK_INT(worker.uptime_seconds, <, 3600);
        CHECK_INT(worker.exit_status, ==, 0);
        CHECK_INT(worker.crash_count, ==, 0);
        CHECK(!worker.respawn_disabled);
    }
    for (int id = 2; id < 256; id++) {
        memset(&worker, 0xee, sizeof worker);
        CHECK_INT(cluster_get_worker_stats((uint8_t)id, &worker), ==, STATS_ERROR);
        CHECK(is_zero_worker(&worker));
    }
    CHECK_INT(cluster_get_stats(NULL), ==, STATS_ERROR);
    CHECK_INT(cluster_get_worker_stats(0, NULL), ==, STATS_ERROR);

    /* The whole array: a count, never more than the array holds, in the order of the ids. */
    CHECK_INT(cluster_get_all_workers(NULL, 4), ==, 0);
    CHECK_INT(cluster_get_all_workers(all, 0), ==, 0);
    CHECK_INT(cluster_get_all_workers(all, -1), ==, 0);
    CHECK_INT(cluster_get_all_workers(all, -2147483647 - 1), ==, 0);
    memset(all, 0xee, sizeof all);
    CHECK_INT(cluster_get_all_workers(all, 1), ==, 1);
    CHECK_INT(all[0].worker_id, ==, 0);
    CHECK_INT(all[1].worker_id, ==, 0xee); /* behind the end of the array that was announced */
    CHECK_INT(cluster_get_all_workers(all, 4), ==, 2);
    CHECK_INT(all[1].worker_id, ==, 1);
    CHECK_INT(all[1].pid, !=, all[0].pid);
    CHECK_INT(cluster_get_all_workers(all, 2147483647), ==, 2);
}

static bool on_command(const char *command, char *answer, size_t size)
{
    if (strcmp(command, "check") != 0)
        return false;
    check_statistics_given(cluster_get_port());
    snprintf(answer, size, "held");
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv)};
    control_start(on_command);
    check_statistics_refused();
    if (cluster_init(&options, argc, argv)) {
        check_statistics_given(options.port);
        say("master ready");
        cluster_wait_workers();
        check_statistics_refused();
        say("master done");
        return 0;
    }
    CHECK(cluster_is_worker());
    check_statistics_refused();
    say("worker %u held", cluster_worker_id());
    /* Nothing more is asked of it; SIGTERM ends it. */
    for (;;)
        pause();
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_out(a, "worker 0 held");
    app_wait_out(a, "worker 1 held");
    CHECK_STR(app_ctl(a, "check"), "held"); /* from another thread than the one that waits */
    app_stop(a);
    app_wait_out(a, "master done");
    app_expect_err_count(a, "[ERROR]", 0);
}
