/* contract 4.3, 5.2: a worker that never listens (it does jobs) gets signals all the same. */
#include "lab.h"

static int job_worker(void)
{
    lab_obey();
    say("worker %u works", cluster_worker_id());
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, job_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_out(a, "worker 0 works");
    app_wait_out(a, "worker 1 works");
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    app_wait_out(a, "worker 1 got 10");
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 0);
}
