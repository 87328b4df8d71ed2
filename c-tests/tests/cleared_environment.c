/* contract 2.2: a worker knows what it is before main: a program that clears its environment first of all works like any other. */
#include "harness.h"
#include "server.h"

#include <stdlib.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    clearenv();
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true};
    /* Without the control thread, which would be started in the workers too: it asks the environment. */
    if (cluster_init(&options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    CHECK(cluster_is_worker());
    return server_serve(cluster_get_port());
}

void test_main(void)
{
    app *a = app_start(.variant = "clear");
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);

    /* A respawn and a restart start workers of a program that has no environment. */
    int connection = http_open_worker(a->port, 1);
    pid_t old = http_request(connection, "/", CT_WAIT_MS).pid;
    kill(old, SIGKILL);
    app_wait_err(a, "Worker 1 crashed");
    app_wait_out_times(a, "worker 1 listening", 2);
    close(connection);
    connection = http_open_worker(a->port, 1);
    CHECK_INT(http_request(connection, "/", CT_WAIT_MS).pid, !=, old);
    close(connection);
    kill(a->pid, SIGUSR2);
    app_wait_out_times(a, "worker 1 listening", 3);
    app_wait_out_times(a, "worker 0 listening", 2);
    app_wait_serving(a, 2);
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 1); /* the crash */
}
