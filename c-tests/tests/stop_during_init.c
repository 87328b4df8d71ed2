/* contract 2.5: SIGTERM or SIGINT during cluster_init ends the spawning: it returns true, and cluster_wait_workers shuts down. */
#include "harness.h"
#include "server.h"

#include <stdlib.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    /* So long that only an interrupted cluster_init can return within the test's time. */
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_startup_delay_ms = 600000};
    if (cluster_init(&options, argc, argv)) {
        say("init returned true");
        cluster_wait_workers();
        say("master done");
        return 0;
    }
    CHECK(cluster_is_worker());
    return server_serve(cluster_get_port());
}

static void interrupted_by(int signal, const char *name)
{
    test_case(name);
    app *a = app_start(.variant = name);
    app_wait_out(a, "worker 0 listening");
    app_expect_out_count(a, "init returned", 0);
    kill(a->pid, signal);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_out_count(a, "init returned true", 1);
    app_expect_out_count(a, "master done", 1);
    app_expect_out_count(a, "listening", 1); /* no second worker was started */
    app_expect_err_count(a, "[ERROR]", 0);
}

void test_main(void)
{
    interrupted_by(SIGTERM, "SIGTERM");
    interrupted_by(SIGINT, "SIGINT");
}
