/* contract 4.3, 3.1: SIGTERM, SIGINT and SIGKILL sent with cluster_signal_workers stop the cluster: shutdown_requested,
   no respawn, ends that are graceful whatever they are; the shutdown timeout holds. */
#include "lab.h"

#include <string.h>

#define TIMEOUT_MS 500

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = strcmp(variant, "hung") == 0 ? TIMEOUT_MS : 3600 * 1000,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, strcmp(variant, "killed") == 0 ? plain_worker : stubborn_worker);
}

static app *start(const char *variant)
{
    app *a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    return a;
}

static void expect_end(app *a, const char *ends)
{
    app_expect_exit(a, 0);
    app_expect_out_count(a, ends, 2);
    app_expect_out_count(a, "event start", 2);
    app_expect_out_count(a, "master done", 1);
    app_expect_err_count(a, "[ERROR]", 0);
    app_expect_none_left(a);
}

static void stop_with(int number)
{
    app *a = start("patient");
    lab_order_signal(a, number);
    app_wait_out(a, "worker 0 got");
    app_wait_out(a, "worker 1 got");
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.shutdown_requested, ==, true);
    app_wait_status(a, 1, WORKER_STOPPING);
    lab_tell(app_worker_pid(a, 0), 9);
    lab_tell(app_worker_pid(a, 1), 9);
    expect_end(a, "9 graceful");
}

void test_main(void)
{
    test_case("SIGTERM");
    stop_with(SIGTERM);
    test_case("SIGINT");
    stop_with(SIGINT);

    test_case("SIGKILL");
    app *killed = start("killed");
    lab_order_signal(killed, SIGKILL);
    expect_end(killed, "137 graceful");

    test_case("SIGTERM to hung workers");
    app *hung = start("hung");
    int64_t before = ct_now_ms();
    lab_order_signal(hung, SIGTERM);
    expect_end(hung, "137 graceful");
    CHECK_INT(lab_event_ms(hung, 2) - before, >=, TIMEOUT_MS - 2);

    test_case("SIGINT to hung workers");
    app *interrupted = start("hung");
    before = ct_now_ms();
    lab_order_signal(interrupted, SIGINT);
    expect_end(interrupted, "137 graceful");
    CHECK_INT(lab_event_ms(interrupted, 2) - before, >=, TIMEOUT_MS - 2);
}
