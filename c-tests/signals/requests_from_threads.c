/* contract 4.2: restarts and signals asked for by many threads at the same time: none is lost, none is mixed up with
   another. */
#include "lab.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 8

static void *send_signal(void *number)
{
    cluster_signal_workers(*(int *)number);
    return NULL;
}

static void *restart(void *unused)
{
    cluster_graceful_restart();
    return unused;
}

static void run_threads(void *function(void *))
{
    static int numbers[THREADS] = {35, 36, 37, 38, 39, 41, 42, 43}; /* SIGRTMIN is 34 or 35, and 40 is what lab_tell uses */
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, function, &numbers[i]), ==, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static bool command(const char *text, char *answer, size_t size)
{
    if (strcmp(text, "signals") != 0 && strcmp(text, "restarts") != 0)
        return false;
    run_threads(strcmp(text, "signals") == 0 ? send_signal : restart);
    snprintf(answer, size, "done");
    return true;
}

static void on_signal(int number)
{
    say("worker %u got %d", cluster_worker_id(), number);
}

static int worker(void)
{
    for (int number = 35; number <= 43; number++)
        signal(number, on_signal);
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return worker();
    say("master ready");
    cluster_wait_workers();
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    app_ctl(a, "signals");
    for (int number = 35; number <= 43; number++) {
        for (int id = 0; id < 2 && number != 40; id++) {
            char pattern[32];
            snprintf(pattern, sizeof pattern, "re:^worker %d got %d$", id, number);
            app_wait_out(a, pattern);
        }
    }
    app_expect_out_count(a, " got ", 2 * THREADS);

    app_ctl(a, "restarts");
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    /* Whole restarts: one, and more if threads asked while one ran or when one was over, for they come when they come. */
    CHECK_MSG(stats.total_restarts >= 2 && stats.total_restarts <= 2 * THREADS && stats.total_restarts % 2 == 0,
              "%d replacements", (int)stats.total_restarts);
    CHECK_INT(stats.shutdown_requested, ==, false);
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 0);
}
