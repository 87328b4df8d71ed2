/* contract 2.1, 2.2, 3.8, 4.1: a cluster starts, serves from each of its workers, and ends on SIGTERM with nothing left. */
#include "harness.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true};
    return app_serve(&options, argc, argv);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 3);

    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.total_workers, ==, 3);
    CHECK_INT(stats.active_workers, ==, 3);
    CHECK_INT(app_worker_pid(a, 2), >, 0);
    http_answer answer = http_get(a->port, "/");
    CHECK_INT(answer.pid, ==, app_worker_pid(a, answer.worker));
    CHECK_INT(answer.pid, !=, a->pid);

    app_stop(a);
    CHECK_INT(http_get(a->port, "/").outcome, ==, HTTP_REFUSED);
    app_expect_out_count(a, "master done", 1);
    app_expect_err_count(a, "[ERROR]", 0);
}
