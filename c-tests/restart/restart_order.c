/* contract 5.1, 3.6, 3.4: one slot at a time, in order; the replacement's on_start comes before the old one's on_exit;
   no slot is ever without an ACTIVE process, and there is never more than one process too many. */
#include "lab.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WORKERS 3

static atomic_int fewest = WORKERS;
static uint64_t replaced = 0;

static void watch(void)
{
    cluster_stats_t stats;
    if (cluster_get_stats(&stats) == 1 && !stats.shutdown_requested && stats.active_workers < atomic_load(&fewest))
        atomic_store(&fewest, stats.active_workers);
}

static void *watch_always(void *unused)
{
    while (cluster_is_master()) {
        watch();
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return unused;
}

static void on_start(uint8_t worker_id)
{
    cluster_stats_t stats;
    static int starts = 0;
    if (starts++ >= WORKERS) { /* a replacement */
        watch();
        CHECK_INT(cluster_get_stats(&stats), ==, 1);
        CHECK_INT(stats.total_restarts, ==, ++replaced);
        CHECK_INT(stats.restart_requested, ==, true);
    }
    lab_on_start(worker_id);
}

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    worker_stats_t worker;
    watch();
    /* It is the old process that ended: the statistics already describe the new one. */
    CHECK_INT(cluster_get_worker_stats(worker_id, &worker), ==, 1);
    cluster_stats_t stats;
    CHECK_INT(cluster_get_stats(&stats), ==, 1);
    if (!stats.shutdown_requested) {
        CHECK_INT(worker.status, ==, WORKER_ACTIVE);
        CHECK_INT(worker.pid, >, 1);
    }
    lab_on_exit(worker_id, exit_status, is_crash);
}

static bool command(const char *text, char *answer, size_t size)
{
    if (strcmp(text, "fewest") != 0)
        return false;
    snprintf(answer, size, "active=%d", atomic_load(&fewest));
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {
        .cpus = WORKERS, .port = app_port(argv), .respawn = true, .on_start = on_start, .on_exit = on_exit_of};
    pthread_t watcher;
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    CHECK_INT(pthread_create(&watcher, NULL, watch_always, NULL), ==, 0);
    say("master ready");
    cluster_wait_workers();
    pthread_join(watcher, NULL);
    return 0;
}

static bool no_more_than(app *a, int most)
{
    pid_t all[16];
    CHECK_INT(app_children(a, all, 16), <=, most);
    return true;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, WORKERS);
    app_ctl(a, "restart");
    WAIT_UNTIL(no_more_than(a, WORKERS + 1) && app_count_out(a, "event exit 2") > 0);
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; start 2; start 0; exit 0 143 graceful; start 1; exit 1 143 graceful; "
                             "start 2; exit 2 143 graceful");
    CHECK_INT(ctl_field(app_ctl(a, "fewest"), "active"), ==, WORKERS);
    app_expect_err_count(a, "CHECK FAILED", 0);
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}
