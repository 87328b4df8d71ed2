/* contract 4.2, 1.5: every function that any thread may call is called by many threads at once, 100,000 times and more altogether (CT_RUNS
   in the environment: another number), while workers crash and are restarted, and while the cluster is begun and ended, which one of the
   threads does. Each answer is right, errno is kept, and no zombie is left. It runs under ThreadSanitizer, too (scripts/test-threads). */
#include "every_call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define RUNS 100000
#define THREADS 6
#define CYCLES 4

static atomic_long runs = 0, runs_without = 0; /* with a master, and before or after it */
static atomic_long runs_of_cycle = 0;
static atomic_bool is_over = false;
static _Atomic(verdict) wrong = NULL;

/* A cycle of a cluster is long enough when it was called often, and has had crashes and restarts meanwhile. */
static bool is_enough(long run)
{
    cluster_stats_t stats;
    return run >= atomic_load(&runs_of_cycle) && cluster_get_stats(&stats) == 1 && stats.total_restarts >= 10;
}

static void *call_always(void *unused)
{
    while (!atomic_load(&is_over)) {
        bool was_master = cluster_is_master();
        long run = atomic_fetch_add(was_master ? &runs : &runs_without, 1);
        /* Without a master they are [ERROR] lines. */
        bool acts = was_master || run % 16384 == 0;
        verdict found = every_call_that_asks(false), acted = acts ? every_call_that_acts(run % 256 == 0) : NULL;
        if (found || acted)
            atomic_store(&wrong, found ? found : acted);
        if (was_master && (is_enough(run) || found || acted))
            cluster_signal_workers(SIGTERM);
    }
    return unused;
}

static long runs_wanted(void)
{
    const char *text = getenv("CT_RUNS");
    return text ? atol(text) : RUNS;
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = EVERY_CALL_WORKERS,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_startup_delay_ms = 1,
                       .worker_respawn_delay_ms = 1,
                       .respawn_window_sec = 1,
                       .respawn_max_crashes = 255};
    pthread_t threads[THREADS];
    (void)variant;
    for (int i = 0; i < THREADS && lab_worker_id() < 0; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, call_always, NULL), ==, 0);
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        atomic_store(&runs_of_cycle, atomic_load(&runs) + runs_wanted() / CYCLES);
        bool is_master = cluster_init(&options, argc, argv);
        if (cluster_is_worker())
            return every_call_victim();
        CHECK(is_master);
        cluster_wait_workers();
        CHECK_MSG(!atomic_load(&wrong), "on a thread: %s", atomic_load(&wrong));
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    say("storm runs=%ld without=%ld", atomic_load(&runs), atomic_load(&runs_without));
    return 0;
}

void test_main(void)
{
    test_time_limit(170);
    app *a = app_start(.variant = "");
    while (!a->ended)
        ct_pump(1000);
    app_expect_exit(a, 0);
    const char *line = app_wait_out(a, "storm runs=");
    printf("%s\n", line);
    long wanted = getenv("CT_RUNS") ? atol(getenv("CT_RUNS")) : RUNS;
    CHECK_INT(ctl_field(line, "runs"), >=, wanted);
    CHECK_INT(ctl_field(line, "without"), >, 0);
    app_expect_err_count(a, "ThreadSanitizer", 0);
    app_expect_err_count(a, "watching its process", 0); /* the table of processes was full */
}
