/* contract 3.3: the seconds in the line are the distance of the first and the last crash, rounded down; one crash may be
   the limit. */
#include "lab.h"

#include <stdio.h>
#include <string.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_window_sec = 50,
                       .respawn_max_crashes = strcmp(variant, "one") == 0 ? 1 : 2,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true, .variant = "two");
    app_wait_out(a, "master ready");
    int64_t before_first = ct_now_ms();
    lab_kill(a, 0, SIGKILL);
    app_wait_out_times(a, "event start 0", 2);
    int64_t after_first = ct_now_ms();
    lab_wait_for(1500); /* time itself is what is measured here */
    int64_t before_last = ct_now_ms();
    lab_kill(a, 0, SIGKILL);
    const char *line = app_wait_err(a, "too fast");
    int64_t after_last = ct_now_ms();
    int seconds = -1, end = 0;
    sscanf(line, "[ERROR] Worker 0 crashing too fast (2 times in %ds), disabling respawn%n", &seconds, &end);
    CHECK_MSG(end > 0 && line[end] == '\0', "not the exact line: \"%s\"", line);
    CHECK_INT(seconds, >=, (before_last - after_first) / 1000);
    CHECK_INT(seconds, <=, (after_last - before_first) / 1000);
    app_expect_exit(a, 0);

    app *b = app_start(.control = true, .variant = "one");
    app_wait_out(b, "master ready");
    lab_kill(b, 0, SIGKILL);
    CHECK_STR(app_wait_err(b, "too fast"), "[ERROR] Worker 0 crashing too fast (1 times in 0s), disabling respawn");
    app_expect_exit(b, 0);
    lab_expect_events(b, "start 0; exit 0 137 crash");
}
