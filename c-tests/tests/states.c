/* contract 1.3, 1.5: what every function answers before cluster_init, in the master, in a worker, after the wait and after an error. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each of these two is one [ERROR] line outside of the master: the driver counts them. */
static void signal_and_restart(void)
{
    cluster_signal_workers(SIGTERM);
    cluster_graceful_restart();
}

static void check_no_cluster(void)
{
    cluster_stats_t stats;
    CHECK_INT(cluster_get_port(), ==, 0);
    CHECK(!cluster_is_master());
    CHECK(!cluster_is_worker());
    CHECK_INT(cluster_worker_id(), ==, 0);
    CHECK_INT(cluster_worker_count(), ==, 0);
    CHECK_INT(cluster_get_stats(&stats), ==, 0);
    CHECK_INT(stats.total_workers, ==, 0);
    CHECK_INT(cluster_cpus(), >=, 1);
    cluster_wait_workers(); /* returns at once: else the test's time ends */
}

static void check_master(uint16_t port)
{
    CHECK(cluster_is_master());
    CHECK(!cluster_is_worker());
    CHECK_INT(cluster_get_port(), ==, port);
    CHECK_INT(cluster_worker_id(), ==, 0);
    CHECK_INT(cluster_worker_count(), ==, 3);
}

static int be_worker(uint16_t port, const char *id_before_init)
{
    CHECK(cluster_is_worker());
    CHECK(!cluster_is_master());
    CHECK_INT(cluster_get_port(), ==, port);
    CHECK_INT(cluster_worker_count(), ==, 3);
    CHECK_INT(cluster_worker_id(), ==, atoi(id_before_init));
    cluster_wait_workers();
    if (cluster_worker_id() == 2)
        signal_and_restart();
    say("worker %u held", cluster_worker_id());
    for (;;)
        pause();
}

static void run_master(const Cluster *options, int argc, char **argv)
{
    CHECK(cluster_init(options, argc, argv));
    check_master(options->port);
    say("master ready");
    cluster_wait_workers();
    check_no_cluster();
    say("after the wait");
}

int app_main(int argc, char **argv, const char *variant)
{
    const char *id = getenv("ECEWO_WORKER_ID");
    Cluster options = {.cpus = 3, .port = app_port(argv)};
    check_no_cluster();
    if (id) { /* a worker: the master's second cluster comes this way too */
        CHECK(!cluster_init(&options, argc, argv));
        return be_worker(options.port, id);
    }
    if (strcmp(variant, "lines") == 0)
        signal_and_restart();
    run_master(&options, argc, argv);
    if (strcmp(variant, "lines") == 0) {
        signal_and_restart();
        return 0;
    }
    /* After an error all is as before, and neither an error nor an end keeps a new cluster from being started. */
    Cluster wrong = {.cpus = 3, .port = 0};
    CHECK(!cluster_init(&wrong, argc, argv));
    check_no_cluster();
    say("after the error");
    run_master(&options, argc, argv);
    return 0;
}

static void stop_when_held(app *a, int times)
{
    app_wait_out_times(a, "master ready", times);
    for (int id = 0; id < 3; id++) {
        char line[32] = "worker ? held";
        line[7] = (char)('0' + id);
        app_wait_out_times(a, line, times);
    }
    kill(a->pid, SIGTERM);
    app_wait_out_times(a, "after the wait", times);
}

void test_main(void)
{
    test_case("signal and restart outside of the master are one line each");
    app *a = app_start(.variant = "lines");
    stop_when_held(a, 1);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_err_count(a, "[ERROR]", 6); /* before init, in worker 2, after the wait: two each */
    app_expect_err_count(a, "re:^\\[", 6);

    test_case("after an error, and a second cluster");
    a = app_start(.variant = "again");
    stop_when_held(a, 1);
    app_wait_out(a, "after the error");
    stop_when_held(a, 2);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_err_count(a, "[ERROR]", 5); /* two of worker 2 in each cluster, and the error itself */
}
