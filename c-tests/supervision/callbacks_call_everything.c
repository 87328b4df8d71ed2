/* contract 3.6: every function may be called from a callback, cluster_init and cluster_wait_workers included: nothing
   hangs, the cluster goes on. */
#include "lab.h"

static Cluster options;
static int arg_count;
static char **arguments;

static void call_everything(const char *where)
{
    cluster_stats_t stats;
    worker_stats_t workers[3];
    CHECK(!cluster_init(&options, arg_count, arguments)); /* one too many: an [ERROR] line and nothing else */
    cluster_wait_workers();
    CHECK(cluster_is_master());
    CHECK(!cluster_is_worker());
    CHECK_INT(cluster_worker_id(), ==, 0);
    CHECK_INT(cluster_worker_count(), ==, 2);
    CHECK_INT(cluster_get_port(), ==, options.port);
    CHECK_INT(cluster_cpus(), >=, 1);
    CHECK_INT(cluster_cpus_physical(), >=, 1);
    CHECK_INT(cluster_get_stats(&stats), ==, 1);
    CHECK_INT(cluster_get_worker_stats(1, &workers[0]), ==, 1);
    CHECK_INT(cluster_get_all_workers(workers, 3), ==, 2);
    cluster_signal_workers(SIGWINCH); /* ignored by default: harmless for a worker that has no handler yet */
    say("called everything in %s", where);
}

static void on_start(uint8_t worker_id)
{
    call_everything("on_start");
    lab_on_start(worker_id);
}

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    call_everything("on_exit");
    lab_on_exit(worker_id, exit_status, is_crash);
    if (exit_status == 50)
        cluster_graceful_restart();
    if (exit_status == 60)
        cluster_signal_workers(SIGTERM);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    options = (Cluster){.cpus = 2,
                        .port = app_port(argv),
                        .respawn = true,
                        .worker_respawn_delay_ms = 1,
                        .on_start = on_start,
                        .on_exit = on_exit_of};
    arg_count = argc;
    arguments = argv;
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    app_expect_out_count(a, "called everything in on_start", 2);
    lab_expect_events(a, "start 0; start 1");

    test_case("a restart that on_exit asks for");
    lab_tell(app_worker_pid(a, 0), 50);
    app_wait_out(a, "event exit 0 50 crash");
    app_wait_out_times(a, "event start 1", 2);
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 2);

    test_case("a stop that on_exit asks for");
    lab_tell(app_worker_pid(a, 0), 60);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "event exit 0 60 crash", 1);
    int callbacks = app_count_out(a, "re:^event ");
    app_expect_out_count(a, "called everything", callbacks);
    app_expect_err_count(a, "CHECK FAILED", 0);
    app_expect_err_count(a, "initialized already", callbacks); /* one for each cluster_init too many */
    app_expect_err_count(a, "crashed after", 2);
    app_expect_none_left(a);
}
