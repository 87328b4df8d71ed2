/* contract 3.2, 3.4: a respawn comes after worker_respawn_delay_ms (100 by default), and meanwhile the slot is
   RESPAWNING. */
#include "lab.h"

#include <string.h>

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    worker_stats_t worker;
    CHECK_INT(cluster_get_worker_stats(worker_id, &worker), ==, 1);
    if (is_crash)
        CHECK_INT(worker.status, ==, WORKER_RESPAWNING);
    lab_on_exit(worker_id, exit_status, is_crash);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {
        .cpus = 1, .port = app_port(argv), .respawn = true, .on_start = lab_on_start, .on_exit = on_exit_of};
    if (strcmp(variant, "long") == 0)
        options.worker_respawn_delay_ms = 900;
    return lab_main(&options, argc, argv, plain_worker);
}

static void expect_delay(const char *variant, int64_t ms)
{
    app *a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    pid_t pid = app_worker_pid(a, 0);
    int64_t before = ct_now_ms();
    CHECK_INT(kill(pid, SIGKILL), ==, 0);
    app_wait_out_times(a, "event start 0", 2);
    CHECK_INT(lab_event_ms(a, 2) - before, >=, ms - 2); /* two clock readings, each cut to milliseconds */
    lab_expect_events(a, "start 0; exit 0 137 crash; start 0");
    app_stop(a);
}

void test_main(void)
{
    expect_delay("long", 900);
    expect_delay("default", 100);
}
