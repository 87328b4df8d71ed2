/* contract 3.1: real crashes of a server, an invalid memory access and abort(), while the other worker goes on serving.
   */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return app_serve(&options, argc, argv);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    pid_t other = app_worker_pid(a, 1), old = app_worker_pid(a, 0);

    CHECK_INT(http_request(http_open_worker(a->port, 0), "/segv", CT_WAIT_MS).outcome, !=, HTTP_ANSWERED);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(signal 11\\)$");
    old = lab_wait_new_pid(a, 0, old);
    CHECK_INT(http_request(http_open_worker(a->port, 0), "/crash", CT_WAIT_MS).outcome, !=, HTTP_ANSWERED);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(signal 6\\)$");
    lab_wait_new_pid(a, 0, old);
    app_wait_serving(a, 2);
    CHECK_INT(app_worker_pid(a, 1), ==, other);
    lab_expect_events(a, "start 0; start 1; exit 0 139 crash; start 0; exit 0 134 crash; start 0");
    app_stop(a);
}
