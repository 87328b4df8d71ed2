/* contract 3.6: at start on_start is called for each worker, in order, before cluster_init returns; at a respawn after
   on_exit; all in the master, on the thread that is in cluster_init or cluster_wait_workers; each sees the statistics
   after the event. */
#include "lab.h"

#include <string.h>
#include <unistd.h>

static pid_t master_pid, master_thread;
static int starts[2] = {0, 0};
static uint64_t restarts_expected = 0;

static void expect_place(void)
{
    CHECK_INT(getpid(), ==, master_pid);
    CHECK_INT(gettid(), ==, master_thread);
    CHECK(cluster_is_master());
}

static void on_start(uint8_t worker_id)
{
    worker_stats_t worker;
    cluster_stats_t stats;
    expect_place();
    CHECK_INT(cluster_get_worker_stats(worker_id, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_ACTIVE);
    CHECK(kill(worker.pid, 0) == 0);
    CHECK_INT(cluster_get_stats(&stats), ==, 1);
    if (starts[worker_id]++ > 0)
        restarts_expected++;
    CHECK_INT(stats.total_restarts, ==, restarts_expected);
    lab_on_start(worker_id);
}

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    worker_stats_t worker;
    expect_place();
    CHECK_INT(cluster_get_worker_stats(worker_id, &worker), ==, 1);
    CHECK_INT(worker.status, ==, is_crash ? WORKER_RESPAWNING : WORKER_STOPPING);
    CHECK_INT(worker.pid, ==, 0);
    CHECK_INT(worker.uptime_seconds, ==, 0);
    CHECK_INT(worker.exit_status, ==, exit_status);
    CHECK_INT(worker.crash_count, ==, is_crash ? 1 : worker.crash_count);
    lab_on_exit(worker_id, exit_status, is_crash);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .on_start = on_start,
                       .on_exit = on_exit_of};
    master_pid = getpid();
    master_thread = gettid();
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_expect_events(a, "start 0; start 1");
    CHECK(strstr(a->out.data, "event start 1") < strstr(a->out.data, "master ready"));

    lab_kill(a, 1, SIGKILL);
    app_wait_out_times(a, "event start 1", 2);
    lab_kill(a, 0, SIGTERM);
    app_wait_out(a, "event exit 0");
    lab_expect_events(a, "start 0; start 1; exit 1 137 crash; start 1; exit 0 143 graceful");
    app_stop(a);
    app_expect_err_count(a, "CHECK FAILED", 0);
}
