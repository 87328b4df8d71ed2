/* contract 5.3, 3.1: an old worker that ignores SIGTERM is killed in the end, which is graceful, and the restart goes
   on; one that fails while it stops is graceful, too. */
#include "lab.h"

#define TIMEOUT_MS 6000

static int worker(void)
{
    return cluster_worker_id() < 2 ? stubborn_worker() : plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {
        .cpus = 3, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = TIMEOUT_MS, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 3);
    pid_t second = app_worker_pid(a, 1);
    int64_t before = ct_now_ms();
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 0 137 graceful");
    CHECK_INT(lab_event_ms(a, 4) - before, >=, TIMEOUT_MS / 2); /* at least the half of 6.3 */
    app_wait_out(a, "worker 1 got 15");
    lab_tell(second, 4);
    app_wait_out(a, "event exit 2 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; start 2; start 0; exit 0 137 graceful; start 1; exit 1 4 graceful; "
                             "start 2; exit 2 143 graceful");
    app_expect_err_count(a, "crashed", 0);
    kill(a->pid, SIGTERM);
    lab_tell(app_worker_pid(a, 0), 0);
    lab_tell(app_worker_pid(a, 1), 0);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}
