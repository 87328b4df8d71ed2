/* contract 2.2: "--cluster-worker <id> <port>" in argv makes a process a worker without a master. */
#include "harness.h"

#include <stdio.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 4, .port = app_port(argv), .respawn = true};
    if (cluster_init(&options, argc, argv)) {
        say("became a master");
        return 6;
    }
    say("worker=%d master=%d id=%u port=%u", cluster_is_worker(), cluster_is_master(), cluster_worker_id(), cluster_get_port());
    if (!cluster_is_worker())
        return 3;
    return app_serve(&options, argc, argv); /* a second call: an error, and it is the worker as before */
}

static void starts(uint16_t port)
{
    char number[8], expected[64];
    snprintf(number, sizeof number, "%u", (unsigned)port);
    snprintf(expected, sizeof expected, "worker=1 master=0 id=2 port=%u", (unsigned)port);
    app *a = app_start(.args = (const char *const[]){"--cluster-worker", "2", number, NULL});
    app_wait_out(a, expected);
    app_wait_out(a, "worker 2 listening");
    pid_t pids[4];
    CHECK_INT(app_processes(a, pids, 4), ==, 1);
    http_answer answer = http_get(port, "/");
    CHECK_INT(answer.outcome, ==, HTTP_ANSWERED);
    CHECK_INT(answer.worker, ==, 2);
    CHECK_INT(answer.pid, ==, a->pid);
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 1);
}

void test_main(void)
{
    starts(free_port()); /* not the one of the options: the argument counts */
}
