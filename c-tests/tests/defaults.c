/* contract 1.2, 3.2, 3.3: 0 in a numeric field means the field's default. */
#include "harness.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int64_t exited_at;

static void on_exit_note_time(uint8_t worker_id, int exit_status, bool is_crash)
{
    (void)worker_id, (void)exit_status, (void)is_crash;
    exited_at = ct_now_ms();
}

static void on_start_tell_delay(uint8_t worker_id)
{
    if (exited_at != 0)
        say("worker %u respawned after %lld ms", worker_id, (long long)(ct_now_ms() - exited_at));
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.port = app_port(argv), .respawn = true};
    if (*variant == '1') {
        options.cpus = 1;
        options.on_start = on_start_tell_delay;
        options.on_exit = on_exit_note_time;
    }
    return app_serve(&options, argc, argv);
}

static void number_of_workers(void)
{
    test_case("cpus 0 is the number of logical CPUs");
    app *a = app_start(.variant = "default cpus", .control = true);
    app_wait_out(a, "master ready");
    CHECK_INT(ctl_field(app_ctl(a, "stats"), "total"), ==, cluster_cpus());
    CHECK_INT(ctl_field(app_ctl(a, "identity"), "count"), ==, cluster_cpus());
    app_wait_serving(a, cluster_cpus());
    app_stop(a);
}

/* 3 crashes within the 5 s of the default window disable; the respawn delay of 100 ms can only be seen from below. */
static void crash_protection(void)
{
    test_case("crash window, number of crashes and respawn delay");
    app *a = app_start(.variant = "1", .control = true);
    app_wait_out(a, "master ready");
    for (int crash = 1; crash <= 3; crash++) {
        pid_t pid = app_wait_new_pid(a, 0, 0);
        kill(pid, SIGKILL);
        app_wait_err_times(a, "Worker 0 crashed after", crash);
        if (crash < 3) {
            const char *line = app_wait_out_times(a, "worker 0 respawned after", crash);
            int delay = 0;
            CHECK_INT(sscanf(line, "worker 0 respawned after %d ms", &delay), ==, 1);
            CHECK_INT(delay, >=, 95); /* the exit was seen a little before its callback ran */
        }
    }
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashing too fast \\(3 times in [0-4]s\\), disabling respawn$");
    app_expect_exit(a, 0);
}

void test_main(void)
{
    number_of_workers();
    crash_protection();
}
