/* contract 4.2: statistics are read by a signal handler that interrupts the master at any moment, and by threads, while
   workers crash, are respawned and replaced: nobody hangs, and each reading is consistent in itself. */
#include "lab.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define THREADS 3
#define ROUNDS 15

static atomic_long by_handler = 0, by_threads = 0;
static pthread_t main_thread;

static const char *wrong_worker(const worker_stats_t *w, int id)
{
    bool running = w->status == WORKER_ACTIVE;
    if (w->worker_id != id)
        return "worker_id";
    if (w->pid < 0 || (running && w->pid == 0))
        return "pid";
    if ((w->status == WORKER_RESPAWNING || w->status == WORKER_DISABLED || w->status == WORKER_CRASHED) && w->pid != 0)
        return "pid of a slot without a process";
    if (w->pid == 0 && w->uptime_seconds != 0)
        return "uptime";
    if (w->status > WORKER_DISABLED)
        return "status";
    return NULL;
}

/* It is called in a handler, too: no CHECK, whose message is made by functions that a handler may not call. */
static const char *wrong_reading(void)
{
    cluster_stats_t stats;
    worker_stats_t all[WORKERS];
    if (cluster_get_stats(&stats) != 1 || stats.total_workers != WORKERS)
        return "cluster_get_stats";
    if (stats.active_workers + stats.crashed_workers + stats.disabled_workers > WORKERS)
        return "sums";
    if (cluster_get_all_workers(all, WORKERS) != WORKERS)
        return "cluster_get_all_workers";
    for (int id = 0; id < WORKERS; id++) {
        const char *wrong = wrong_worker(&all[id], id);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static void expect_right(const char *wrong)
{
    if (wrong && cluster_is_master()) { /* else the cluster ended in the middle of this reading */
        say("a wrong reading: %s", wrong);
        _exit(CT_CHECK_FAILED);
    }
}

static void on_signal(int number)
{
    (void)number;
    expect_right(wrong_reading());
    atomic_fetch_add(&by_handler, 1);
}

static void *read_always(void *unused)
{
    (void)unused;
    while (cluster_is_master()) {
        expect_right(wrong_reading());
        atomic_fetch_add(&by_threads, 1);
        /* A breath, for there may be two processors only and the workers need them, too. */
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    return NULL;
}

static void *interrupt_always(void *unused)
{
    (void)unused;
    while (cluster_is_master()) {
        long before = atomic_load(&by_handler);
        pthread_kill(main_thread, SIGUSR1);
        /* Where everything is slow (under a sanitizer), a handler in every 50 microseconds would leave no time for anything else. */
        do
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        while (atomic_load(&by_handler) == before && cluster_is_master());
    }
    return NULL;
}

static bool command(const char *text, char *answer, size_t size)
{
    if (strcmp(text, "readings") != 0)
        return false;
    snprintf(answer, size, "handler=%ld threads=%ld", atomic_load(&by_handler), atomic_load(&by_threads));
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = WORKERS,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_max_crashes = 200,
                       LAB_EVENTS};
    pthread_t threads[THREADS + 1];
    control_start(command);
    main_thread = pthread_self();
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i <= THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, i < THREADS ? read_always : interrupt_always, NULL), ==, 0);
    say("master ready");
    cluster_wait_workers();
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    for (int round = 0; round < ROUNDS; round++) {
        pid_t old[WORKERS];
        for (int id = 0; id < WORKERS; id++)
            old[id] = lab_kill(a, id, SIGKILL);
        for (int id = 0; id < WORKERS; id++)
            lab_wait_new_pid(a, id, old[id]);
        if (round % 5 == 4) {
            app_ctl(a, "restart");
            lab_finish_restart(a);
        }
    }
    const char *readings = app_ctl(a, "readings");
    printf("readings: %s\n", readings);
    CHECK_INT(ctl_field(readings, "handler"), >, 100);
    CHECK_INT(ctl_field(readings, "threads"), >, 100);
    app_expect_out_count(a, "a wrong reading", 0);
    /* Not by a signal: ThreadSanitizer keeps those back while its thread calls nothing that it knows, and the loop's wait is such. */
    lab_order_signal(a, SIGTERM);
    app_expect_exit(a, 0);
}
