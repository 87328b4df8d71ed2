/* contract 4.1: a second SIGINT kills at once; a second SIGTERM does not. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {
        .cpus = 2, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = 3600 * 1000, LAB_EVENTS};
    return lab_main(&options, argc, argv, stubborn_worker);
}

static app *start(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    return a;
}

void test_main(void)
{
    test_case("SIGINT twice");
    app *a = start();
    kill(a->pid, SIGINT);
    app_wait_out(a, "worker 0 got 15");
    app_wait_out(a, "worker 1 got 15");
    kill(a->pid, SIGINT);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "re:^event exit . 137 graceful", 2);
    app_expect_err_count(a, "crashed", 0);
    app_expect_none_left(a);

    test_case("SIGTERM twice");
    app *b = start();
    kill(b->pid, SIGTERM);
    app_wait_out(b, "worker 0 got 15");
    app_wait_out(b, "worker 1 got 15");
    kill(b->pid, SIGTERM);
    pid_t first = app_worker_pid(b, 0), second = app_worker_pid(b, 1);
    /* The master goes on with both: it sees the end of the first one, later than the signal. */
    lab_tell(first, 0);
    app_wait_out(b, "event exit 0 0 graceful");
    CHECK(proc_alive(second));
    lab_tell(second, 5);
    app_expect_exit(b, 0);
    app_expect_out_count(b, "event exit 1 5 graceful", 1);
    app_expect_none_left(b);
}
