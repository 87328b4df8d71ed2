/* contract 1.2, 4.1: without a value of its own, a worker that ignores SIGTERM has 15 s; then it is killed. */
#include "harness.h"

#include <signal.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv)};
    if (cluster_init(&options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    signal(SIGTERM, SIG_IGN);
    say("worker ignores SIGTERM");
    for (;;)
        pause();
}

void test_main(void)
{
    app *a = app_start(.control = false);
    app_wait_out(a, "worker ignores SIGTERM");
    app_wait_out(a, "master ready");
    int64_t told = ct_now_ms();
    kill(a->pid, SIGTERM);
    while (!a->ended && ct_now_ms() < told + 40000)
        ct_pump(1000);
    int64_t took = ct_now_ms() - told;
    app_expect_exit(a, 0);
    CHECK_INT(took, >=, 14900);
    CHECK_INT(took, <, 40000);
    app_expect_none_left(a);
}
