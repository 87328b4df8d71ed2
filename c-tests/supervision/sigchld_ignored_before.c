/* contract 3.7, 3.8: SIGCHLD ignored when cluster_init is called: it is default meanwhile, so ends are seen with their
   status, and ignored again when cluster_wait_workers has returned. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    struct sigaction now;
    signal(SIGCHLD, SIG_IGN);
    int result = lab_main(&options, argc, argv, plain_worker);
    sigaction(SIGCHLD, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN);
    say("ignored again");
    return result;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    CHECK(!proc_ignores(a->pid, SIGCHLD));
    CHECK(!proc_catches(a->pid, SIGCHLD));
    lab_tell(app_worker_pid(a, 0), 3);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(exit 3\\)$");
    app_wait_out_times(a, "event start 0", 2);
    lab_kill(a, 1, SIGTERM);
    app_wait_out(a, "event exit 1 143 graceful");
    app_stop(a);
    app_expect_out_count(a, "ignored again", 1);
    app_expect_err_count(a, "[WARN]", 0);
}
