/* contract 4.4, 4.2: cluster_init may run on a thread that ends afterwards: the workers are bound to the master's
   process, not to the thread that started them; also when the thread of cluster_wait_workers respawns them. */
#include "lab.h"

#include <pthread.h>
#include <unistd.h>

static Cluster options;
static int arg_count;
static char **arguments;
static bool is_master;

static void *initialize(void *unused)
{
    is_master = cluster_init(&options, arg_count, arguments);
    return unused;
}

static void *wait_for_workers(void *unused)
{
    cluster_wait_workers();
    return unused;
}

static void run_on_thread(void *function(void *))
{
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, function, NULL), ==, 0);
    CHECK_INT(pthread_join(thread, NULL), ==, 0);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    options = (Cluster){.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    arg_count = argc;
    arguments = argv;
    control_start(NULL);
    run_on_thread(initialize);
    if (!is_master)
        return cluster_is_worker() ? plain_worker() : 3;
    say("master ready");
    run_on_thread(wait_for_workers);
    say("master done");
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t first = app_worker_pid(a, 0);
    pid_t second = lab_kill(a, 1, SIGKILL);
    lab_wait_new_pid(a, 1, second);
    app_wait_out_times(a, "worker 1 listening", 2);
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    CHECK_INT(app_worker_pid(a, 0), ==, first);
    lab_expect_events(a, "start 0; start 1; exit 1 137 crash; start 1");
    app_stop(a);
    app_expect_out_count(a, "master done", 1);
}
