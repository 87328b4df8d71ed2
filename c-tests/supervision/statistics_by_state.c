/* contract 3.4: what the statistics say of a worker in its states, seen from a callback and from outside. */
#include "lab.h"

#include <stdlib.h>
#include <time.h>

static void on_start(uint8_t worker_id)
{
    worker_stats_t own, next;
    CHECK_INT(cluster_get_worker_stats(worker_id, &own), ==, 1);
    CHECK_INT(own.status, ==, WORKER_ACTIVE);
    CHECK_INT(own.pid, >, 1);
    if (worker_id == 0 && own.exit_status == 0) { /* the first start: its neighbour has no process yet */
        CHECK_INT(cluster_get_worker_stats(1, &next), ==, 1);
        CHECK_INT(next.status, ==, WORKER_STARTING);
        CHECK_INT(next.worker_id, ==, 1);
        CHECK_INT(next.pid, ==, 0);
        CHECK_INT(next.uptime_seconds, ==, 0);
        cluster_stats_t stats;
        CHECK_INT(cluster_get_stats(&stats), ==, 1);
        CHECK_INT(stats.total_workers, ==, 2);
        CHECK_INT(stats.active_workers, ==, 1);
    }
    lab_on_start(worker_id);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .on_start = on_start,
                       .on_exit = lab_on_exit};
    return lab_main(&options, argc, argv, stubborn_worker);
}

static void expect_active(app *a, int id, time_t began)
{
    worker_stats_t worker;
    char value[32];
    CHECK_INT(app_get_worker(a, id, &worker), ==, 1);
    CHECK_INT(worker.worker_id, ==, id);
    CHECK_INT(worker.status, ==, WORKER_ACTIVE);
    CHECK(proc_alive(worker.pid));
    CHECK(proc_status_field(worker.pid, "PPid", value, sizeof value));
    CHECK_INT(atoi(value), ==, a->pid);
    CHECK_INT(worker.port, ==, a->port);
    CHECK_INT(worker.start_time, >=, began - 1); /* time() may lag behind the kernel's fine clock */
    CHECK_INT(worker.start_time, <=, time(NULL) + 1);
    CHECK_INT(worker.uptime_seconds, <=, time(NULL) - began + 1);
}

void test_main(void)
{
    time_t began = time(NULL);
    worker_stats_t worker;
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    expect_active(a, 0, began);
    expect_active(a, 1, began);

    test_case("ACTIVE again");
    time_t respawned = time(NULL);
    lab_kill(a, 0, SIGSEGV);
    app_wait_out_times(a, "event start 0", 2);
    expect_active(a, 0, respawned);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.total_restarts, ==, 1);
    app_wait_out_times(a, "worker 0 listening", 2);

    test_case("STOPPING");
    pid_t pid = app_worker_pid(a, 0);
    app_ctl(a, "signal %d", SIGTERM);
    app_wait_out(a, "worker 0 got 15");
    app_wait_out(a, "worker 1 got 15");
    app_wait_status(a, 0, WORKER_STOPPING);
    app_wait_status(a, 1, WORKER_STOPPING);
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    CHECK_INT(worker.pid, ==, pid);
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 0);
    CHECK_INT(stats.shutdown_requested, ==, true);
    CHECK_INT(stats.restart_requested, ==, false);
    lab_tell(pid, 0);
    app_wait_out(a, "event exit 0 0 graceful");
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_STOPPING);
    CHECK_INT(worker.pid, ==, 0);
    CHECK_INT(worker.uptime_seconds, ==, 0);
    CHECK_INT(worker.exit_status, ==, 0);
    lab_tell(app_worker_pid(a, 1), 0);
    app_expect_exit(a, 0);
}
