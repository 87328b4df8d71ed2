/* contract 4.4: the master's process dies, by whatever: each worker gets SIGTERM at once and ends. */
#include "lab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true};
    control_start(NULL);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    if (strcmp(variant, "return") == 0)
        return 7; /* without cluster_wait_workers */
    if (strcmp(variant, "abort") == 0)
        abort();
    say("master ready");
    cluster_wait_workers();
    return 0;
}

/* The driver is the subreaper: the orphaned workers become its children, which tells it how they end. */
static void expect_ended_by_sigterm(pid_t pid)
{
    int status = lab_wait_orphan(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), ==, SIGTERM);
}

void test_main(void)
{
    test_case("SIGKILL");
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);
    app_kill(a);
    expect_ended_by_sigterm(first);
    expect_ended_by_sigterm(second);
    CHECK_INT(http_get(a->port, "/").outcome, ==, HTTP_REFUSED);
    app_expect_none_left(a);

    test_case("it returns from main without waiting");
    app *b = app_start(.variant = "return");
    app_expect_exit(b, 7);
    app_wait_none_left(b);

    test_case("abort");
    app *c = app_start(.variant = "abort");
    CHECK(WIFSIGNALED(app_wait_exit(c)));
    app_wait_none_left(c);
}
