/* contract 5.1, 3.3: a restart replaces slots that are CRASHED, DISABLED or RESPAWNING, too, with a clean count; those
   that ended gracefully stay down. */
#include "lab.h"

#include <string.h>

/* Worker 0 is the one in question, worker 1 keeps the cluster alive, worker 2 ends gracefully. */
int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3,
                       .port = app_port(argv),
                       .respawn = strcmp(variant, "CRASHED") != 0,
                       .worker_respawn_delay_ms = strcmp(variant, "RESPAWNING") == 0 ? 3600 * 1000 : 1,
                       .respawn_max_crashes = strcmp(variant, "DISABLED") == 0 ? 2 : 200,
                       .respawn_window_sec = 50,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static void crash(app *a, int times)
{
    for (int i = 1; i <= times; i++) {
        app_wait_out_times(a, "event start 0", i);
        lab_kill(a, 0, SIGKILL);
        app_wait_out_times(a, "event exit 0 137 crash", i);
    }
}

static void restart_from(const char *name, worker_status_t status, int crashes)
{
    worker_stats_t worker;
    cluster_stats_t stats;
    test_case(name);
    app *a = app_start(.control = true, .variant = name);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    lab_kill(a, 2, SIGTERM);
    app_wait_out(a, "event exit 2 143 graceful");
    crash(a, crashes);
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    CHECK_INT(worker.status, ==, status);
    CHECK_INT(worker.respawn_disabled, ==, status == WORKER_DISABLED);
    CHECK_INT(worker.crash_count, ==, crashes);

    app_ctl(a, "restart");
    app_wait_out_times(a, "event start 0", crashes + 1);
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_ACTIVE);
    CHECK_INT(worker.crash_count, ==, 0);
    CHECK_INT(worker.respawn_disabled, ==, false);
    CHECK(proc_alive(worker.pid));
    CHECK_INT(app_get_worker(a, 2, &worker), ==, 1);
    CHECK_INT(worker.status, ==, WORKER_STOPPING);
    CHECK_INT(worker.pid, ==, 0);
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 2);
    CHECK_INT(stats.crashed_workers + stats.disabled_workers, ==, 0);
    CHECK_INT(stats.total_restarts, ==, crashes - 1 + 2);
    app_expect_out_count(a, "event start 2", 1);

    if (status == WORKER_DISABLED) {
        /* A clean count: the first crash after it is respawned. */
        pid_t old = lab_kill(a, 0, SIGKILL);
        lab_wait_new_pid(a, 0, old);
        CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
        CHECK_INT(worker.crash_count, ==, 1);
        app_expect_err_count(a, "crashing too fast", 1);
    }
    app_stop(a);
}

void test_main(void)
{
    restart_from("CRASHED", WORKER_CRASHED, 1);
    restart_from("RESPAWNING", WORKER_RESPAWNING, 1);
    restart_from("DISABLED", WORKER_DISABLED, 2);
}
