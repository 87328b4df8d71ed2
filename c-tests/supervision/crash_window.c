/* contract 3.3, 3.4: crashes that lie a window apart never disable a worker; crash_count holds those in the window that
   ends with the latest crash and is not lowered by time alone. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_window_sec = 1,
                       .respawn_max_crashes = 2,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static int crash_count(app *a)
{
    worker_stats_t worker;
    CHECK_INT(app_get_worker(a, 0, &worker), ==, 1);
    return worker.crash_count;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    CHECK_INT(crash_count(a), ==, 0);
    for (int crash = 1; crash <= 3; crash++) {
        lab_kill(a, 0, SIGKILL);
        app_wait_out_times(a, "event start 0", crash + 1);
        CHECK_INT(crash_count(a), ==, 1);
        /* The callback ran after the master took note of the crash: so the next one is a whole window later. */
        lab_wait_for(lab_event_ms(a, 2 * crash - 1) + 1050 - ct_now_ms());
        CHECK_INT(crash_count(a), ==, 1);
    }
    app_expect_err_count(a, "crashing too fast", 0);
    app_expect_err_count(a, "[ERROR]", 3);
    app_stop(a);
}
