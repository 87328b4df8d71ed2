/* contract 10.3: one program, one library, one cluster, and all three generations of the interface at once. */
#include "harness.h"
#include "server.h"
#include "together.h"

#include <stdio.h>
#include <string.h>

static bool on_command(const char *command, char *answer, size_t size)
{
    if (strcmp(command, "check") != 0)
        return false;
    struct together t = {.workers = cluster_worker_count(), .port = cluster_get_port()};
    cluster_stats_t stats;
    CHECK_INT(cluster_get_stats(&stats), ==, 1);
    CHECK_INT(stats.total_workers, ==, 3);
    for (uint8_t id = 0; id < 3; id++) {
        worker_stats_t worker;
        CHECK_INT(cluster_get_worker_stats(id, &worker), ==, 1);
        t.pids[id] = worker.pid;
    }
    const char *wrong = together_v0_1(&t);
    if (!wrong)
        wrong = together_v0_2(&t);
    snprintf(answer, size, "%s", wrong ? wrong : "held");
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true};
    control_start(on_command);
    if (strcmp(variant, "again") == 0 && !cluster_init(&options, argc, argv))
        return server_serve(cluster_get_port());
    if (strcmp(variant, "again") == 0) {
        /* A second call of whatever generation is an error, and changes nothing. */
        say("v0.1 %d, v0.2 %d", together_init_v0_1(argc, argv), together_init_v0_2(argc, argv));
        CHECK(cluster_is_master());
        CHECK_INT(cluster_get_port(), ==, app_port(argv));
        cluster_wait_workers();
        return 0;
    }
    return app_serve(&options, argc, argv);
}

void test_main(void)
{
    test_case("three readers");
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 3);
    CHECK_STR(app_ctl(a, "check"), "held");
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 0);

    test_case("a second call");
    a = app_start(.variant = "again");
    app_wait_out(a, "v0.1 -1, v0.2 -1");
    app_stop(a);
    app_expect_err_count(a, "initialized already: call cluster_init once, and again only after cluster_wait_workers", 1);
    app_expect_err_count(a, "initialized already: call ecewo_cluster_init once, and again only after ecewo_cluster_wait", 1);
    app_expect_err_count(a, "[ERROR]", 2);
}
