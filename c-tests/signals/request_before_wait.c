/* contract 4.2, 4.3: a request made between cluster_init and cluster_wait_workers, or in on_start within cluster_init,
   is not lost. */
#include "lab.h"

#include <string.h>
#include <unistd.h>

static const char *request;

static void on_start(uint8_t worker_id)
{
    static bool done = false;
    lab_on_start(worker_id);
    if (worker_id != 1 || done)
        return;
    done = true;
    if (strcmp(request, "restart in on_start") == 0)
        cluster_graceful_restart();
    if (strcmp(request, "SIGUSR1 in on_start") == 0)
        cluster_signal_workers(SIGUSR1);
}

static void between(void)
{
    if (strcmp(request, "restart") == 0)
        cluster_graceful_restart();
    if (strcmp(request, "SIGUSR2") == 0)
        raise(SIGUSR2);
    if (strcmp(request, "signal SIGTERM") == 0)
        cluster_signal_workers(SIGTERM);
    if (strcmp(request, "SIGTERM") == 0)
        kill(getpid(), SIGTERM);
    if (strcmp(request, "SIGINT") == 0)
        kill(getpid(), SIGINT);
    if (strcmp(request, "signal SIGUSR1") == 0)
        cluster_signal_workers(SIGUSR1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .on_start = on_start, .on_exit = lab_on_exit};
    request = variant;
    control_start(NULL);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    between();
    say("requested");
    cluster_wait_workers();
    return 0;
}

static const char restarted[] = "start 0; start 1; start 0; exit 0 143 graceful; start 1; exit 1 143 graceful";

static void expect_restart(const char *how)
{
    test_case(how);
    app *a = app_start(.control = true, .variant = how);
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, restarted);
    app_stop(a);
}

static void expect_stop(const char *how)
{
    test_case(how);
    app *a = app_start(.variant = how);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "event start", 2);
    app_expect_out_count(a, "143 graceful", 2);
    app_expect_err_count(a, "[ERROR]", 0);
    app_expect_none_left(a);
}

static void expect_signal(const char *how)
{
    test_case(how);
    app *a = app_start(.variant = how);
    app_wait_out(a, "worker 0 got 10");
    app_wait_out(a, "worker 1 got 10");
    app_wait_out(a, "requested");
    app_stop(a);
    app_expect_out_count(a, "event start", 2);
}

void test_main(void)
{
    expect_restart("restart");
    expect_restart("SIGUSR2");
    expect_restart("restart in on_start");
    expect_stop("signal SIGTERM");
    expect_stop("SIGTERM");
    expect_stop("SIGINT");
    expect_signal("signal SIGUSR1");
    expect_signal("SIGUSR1 in on_start");
}
