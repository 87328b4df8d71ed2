/* contract 4.3: a signal to a worker that is not ready yet reaches it when it listens: it does not die of SIGUSR1 for
   the want of a handler, and nothing is lost. */
#include "lab.h"

static int slow_worker(void)
{
    if (gate_is_open("slow") && cluster_worker_id() == 1)
        gate_wait("listen"); /* without any handler until then */
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, slow_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    /* A respawned worker: its predecessor listened, so it is not ready before it listens, too. */
    gate_open("slow");
    pid_t old = lab_kill(a, 1, SIGKILL);
    pid_t pid = lab_wait_new_pid(a, 1, old);
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    app_ctl(a, "signal %d", SIGHUP);
    app_wait_out(a, "re:^worker 0 got 1$");
    CHECK(proc_alive(pid));

    gate_open("listen");
    app_wait_out_times(a, "worker 1 listening", 2);
    app_wait_out(a, "re:^worker 1 got 10$");
    app_wait_out(a, "re:^worker 1 got 1$");
    CHECK_INT(app_worker_pid(a, 1), ==, pid);

    /* From now on it gets them at once. */
    app_ctl(a, "signal %d", SIGWINCH);
    app_wait_out(a, "worker 1 got 28");
    app_expect_out_count(a, "worker 1 got", 3);
    lab_expect_events(a, "start 0; start 1; exit 1 137 crash; start 1");
    app_expect_err_count(a, "[ERROR]", 1);
    app_stop(a);
}
