/* contract 4.3: a stop holds for a slot that waits for its respawn, too: it is not respawned any more. */
#include "lab.h"

#include <string.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = strcmp(variant, "one") == 0 ? 1 : 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 3600 * 1000,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static void crash_and_stop(const char *variant, int signal)
{
    app *a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    lab_kill(a, 0, SIGKILL);
    app_wait_out(a, "event exit 0 137 crash");
    lab_order_signal(a, signal);
    app_expect_exit(a, 0);
    app_expect_out_count(a, "event start 0", 1);
    app_expect_out_count(a, "event exit 0", 1);
    app_expect_out_count(a, "master done", 1);
    app_expect_err_count(a, "[ERROR]", 1); /* the crash; no word of workers that are all disabled */
    app_expect_none_left(a);
}

void test_main(void)
{
    test_case("beside a running worker, SIGTERM");
    crash_and_stop("two", SIGTERM);
    test_case("beside a running worker, SIGKILL");
    crash_and_stop("two", SIGKILL);
    test_case("no worker runs at all");
    crash_and_stop("one", SIGINT);
}
