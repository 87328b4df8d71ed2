/* contract 4.2: every function but cluster_init, cluster_wait_workers and cluster_cpus* may be called from a signal
   handler; errno is kept, also where an [ERROR] line is printed. */
#include "lab.h"

#include <errno.h>
#include <unistd.h>

#define OWN_ERRNO 4711

static volatile sig_atomic_t handled = 0, wrong = 0;

static void expect(bool right)
{
    if (!right || errno != OWN_ERRNO)
        wrong++;
    errno = OWN_ERRNO;
}

static void on_signal(int number)
{
    int saved = errno;
    cluster_stats_t stats;
    worker_stats_t workers[2];
    (void)number;
    errno = OWN_ERRNO;
    expect(cluster_is_master());
    expect(!cluster_is_worker());
    expect(cluster_worker_id() == 0);
    expect(cluster_worker_count() == 2);
    expect(cluster_get_port() != 0);
    expect(cluster_get_stats(&stats) == 1 && stats.total_workers == 2);
    expect(cluster_get_worker_stats(1, workers) == 1 && workers[0].worker_id == 1);
    expect(cluster_get_worker_stats(2, workers) == 0);
    expect(cluster_get_all_workers(workers, 2) == 2);
    cluster_signal_workers(SIGUSR1);
    expect(true);
    cluster_signal_workers(0); /* an [ERROR] line */
    expect(true);
    if (handled++ == 0) {
        cluster_graceful_restart();
        expect(cluster_get_stats(&stats) == 1 && stats.restart_requested);
    }
    errno = saved;
}

static bool in_handler_of_main_thread(Cluster *options, int argc, char **argv)
{
    if (!cluster_init(options, argc, argv))
        return false;
    signal(SIGUSR1, on_signal);
    while (!gate_is_open("raise"))
        usleep(1000);
    raise(SIGUSR1); /* between cluster_init and cluster_wait_workers */
    CHECK_INT(handled, ==, 1);
    CHECK_INT(wrong, ==, 0);
    say("master ready");
    cluster_wait_workers();
    CHECK_INT(wrong, ==, 0);
    say("handled %d", (int)handled);
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    control_start(NULL);
    return in_handler_of_main_thread(&options, argc, argv) ? 0 : tidy_worker();
}

void test_main(void)
{
    app *a = app_start(.control = true, .env = lab_env());
    lab_wait_listening(a, 2); /* one that is slow to is replaced before the signal reaches it */
    gate_open("raise");
    app_wait_out(a, "master ready");
    app_wait_out(a, "worker 0 got 10");
    app_wait_out(a, "worker 1 got 10");
    app_wait_out(a, "event exit 1 0 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; start 0; exit 0 0 graceful; start 1; exit 1 0 graceful");
    app_wait_out_times(a, "worker 1 listening", 2);

    /* In the middle of cluster_wait_workers. */
    size_t mark = app_mark_out(a);
    kill(a->pid, SIGUSR1);
    app_wait_out_since(a, mark, "worker 0 got 10");
    app_wait_out_since(a, mark, "worker 1 got 10");
    app_wait_err_times(a, "[ERROR]", 2);
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 2);
    app_expect_out_count(a, "handled 2", 1);
}
