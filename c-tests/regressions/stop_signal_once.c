/* contract 4.3, 4.1: SIGTERM sent with cluster_signal_workers on another thread than the master's reaches each worker exactly once: the
   master, when it comes to act on it, does not send it again. */
#include "lab.h"

#include <string.h>

static bool callback_waits = false;

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    lab_on_exit(worker_id, exit_status, is_crash);
    if (callback_waits && worker_id == 2)
        gate_wait("go on"); /* the master is here, and acts on nothing */
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 3600 * 1000,
                       .shutdown_timeout_ms = 3600 * 1000,
                       .on_start = lab_on_start,
                       .on_exit = on_exit_of};
    callback_waits = strcmp(variant, "late") == 0;
    return lab_main(&options, argc, argv, stubborn_worker);
}

static void expect_once(app *a, int id, pid_t pid)
{
    app_wait_status(a, id, WORKER_STOPPING); /* so the master has acted on it */
    lab_tell(pid, 0);                        /* a real-time signal: it comes after a SIGTERM that waits */
}

static void stop(const char *variant)
{
    test_case(variant);
    app *a = app_start(.control = true, .variant = variant, .env = lab_env());
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);
    lab_kill(a, 2, SIGKILL);
    app_wait_out(a, "event exit 2 137 crash");
    app_ctl(a, "signal %d", SIGTERM);
    app_wait_out(a, "worker 0 got 15");
    app_wait_out(a, "worker 1 got 15");
    gate_open("go on");
    expect_once(a, 0, first);
    expect_once(a, 1, second);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "worker 0 got 15", 1);
    app_expect_out_count(a, "worker 1 got 15", 1);
    app_expect_none_left(a);
}

void test_main(void)
{
    stop("late"); /* the gate stays open from then on */
    for (int round = 0; round < 5; round++)
        stop("at once");
}
