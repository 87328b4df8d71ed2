/* contract 3.6: no lock is held in a callback: it may wait for another thread that uses the interface. */
#include "lab.h"

#include <pthread.h>

static void *use_everything(void *result)
{
    cluster_stats_t stats;
    worker_stats_t worker;
    cluster_signal_workers(SIGWINCH);
    *(int *)result = cluster_get_stats(&stats) + cluster_get_worker_stats(0, &worker) + cluster_get_all_workers(&worker, 1) +
                     cluster_worker_count();
    return NULL;
}

static void wait_for_thread(void)
{
    pthread_t thread;
    int result = 0;
    CHECK_INT(pthread_create(&thread, NULL, use_everything, &result), ==, 0);
    CHECK_INT(pthread_join(thread, NULL), ==, 0);
    CHECK_INT(result, ==, 1 + 1 + 1 + 2);
}

static void on_start(uint8_t worker_id)
{
    wait_for_thread();
    lab_on_start(worker_id);
}

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    wait_for_thread();
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
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_kill(a, 0, SIGKILL);
    app_wait_out_times(a, "event start 0", 2);
    app_ctl(a, "restart");
    lab_finish_restart(a);
    app_expect_err_count(a, "CHECK FAILED", 0);
    app_stop(a);
}
