/* contract 1.2, 3.2, 3.3: 0 in a numeric field means the field's default. */
#include "harness.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void on_start_tell_time(uint8_t worker_id)
{
    say("worker %u started @%lld", worker_id, (long long)ct_now_ms());
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.port = app_port(argv), .respawn = true};
    if (*variant == '1') {
        options.cpus = 1;
        options.on_start = on_start_tell_time;
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
        int64_t killed_at = ct_now_ms();
        kill(pid, SIGKILL);
        app_wait_err_times(a, "Worker 0 crashed after", crash);
        if (crash < 3) {
            const char *line = app_wait_out_times(a, "worker 0 started", crash + 1);
            long long started_at = 0;
            CHECK_INT(sscanf(line, "worker 0 started @%lld", &started_at), ==, 1);
            CHECK_INT(started_at - killed_at, >=, 99);
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
