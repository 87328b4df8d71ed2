/* contract 2.1, 1.5: a second cluster_init, in the master and in a worker, is an error that changes nothing. */
#include "harness.h"
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static Cluster options;
static int saved_argc;
static char **saved_argv;

/* In the master, from another thread while it waits. */
static bool on_command(const char *command, char *answer, size_t size)
{
    if (strcmp(command, "init") != 0)
        return false;
    snprintf(answer, size, "ret=%d", cluster_init(&options, saved_argc, saved_argv));
    return true;
}

static void second_in_worker(const char *query, char *body, size_t size)
{
    (void)query;
    bool result = cluster_init(&options, saved_argc, saved_argv);
    snprintf(body, size, "ret=%d worker=%d master=%d id=%u count=%u port=%u", result, cluster_is_worker(),
             cluster_is_master(), cluster_worker_id(), cluster_worker_count(), cluster_get_port());
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    options = (Cluster){.cpus = 2, .port = app_port(argv), .respawn = true};
    saved_argc = argc;
    saved_argv = argv;
    control_start(on_command);
    if (cluster_init(&options, argc, argv)) {
        CHECK(!cluster_init(&options, argc, argv)); /* on the same thread, before the wait */
        CHECK(cluster_is_master());
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    server_route("/init", second_in_worker);
    return server_serve(cluster_get_port());
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    app_expect_err_count(a, "[ERROR]", 1);

    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);
    CHECK_STR(app_ctl(a, "init"), "ret=0");
    app_wait_err_times(a, "re:^\\[ERROR\\] ", 2);
    CHECK_INT(ctl_field(app_ctl(a, "identity"), "master"), ==, 1);
    CHECK_INT(ctl_field(app_ctl(a, "identity"), "count"), ==, 2);
    CHECK_INT(ctl_field(app_ctl(a, "stats"), "active"), ==, 2);

    int connection = http_open_worker(a->port, 1);
    char expected[128];
    snprintf(expected, sizeof expected, "ret=0 worker=1 master=0 id=1 count=2 port=%u", (unsigned)a->port);
    CHECK_STR(http_request(connection, "/init", CT_WAIT_MS).body, expected);
    close(connection);
    app_wait_err_times(a, "re:^\\[ERROR\\] ", 3);

    /* The cluster is as it was, and still supervised. */
    app_wait_serving(a, 2);
    CHECK_INT(app_worker_pid(a, 0), ==, first);
    CHECK_INT(app_worker_pid(a, 1), ==, second);
    kill(second, SIGKILL);
    app_wait_new_pid(a, 1, second);
    app_wait_serving(a, 2);
    app_stop(a);
    app_expect_err_count(a, "re:^\\[ERROR\\] ", 4); /* three second calls and the crash */
}
