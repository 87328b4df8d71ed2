/* contract 1.3, 4.3: numbers that are no signals for workers are one [ERROR] line that names them, and nothing else. */
#include "harness.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true};
    return app_serve(&options, argc, argv);
}

void test_main(void)
{
    static const int wrong[] = {0, -1, 32, 33, 65, 128, 1000, INT_MAX, INT_MIN};
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char names_it[64];
        size_t mark = app_mark_err(a);
        snprintf(names_it, sizeof names_it, "re:^\\[ERROR\\].*%s%d([^0-9]|$)", wrong[i] < 0 ? "" : "[^0-9-]", wrong[i]);
        app_ctl(a, "signal %d", wrong[i]);
        app_wait_err_since(a, mark, names_it);
        app_expect_err_count(a, "", (int)i + 1);
    }
    /* Nobody was signalled, nothing was requested. */
    app_wait_serving(a, 2);
    CHECK_INT(app_worker_pid(a, 0), ==, first);
    CHECK_INT(app_worker_pid(a, 1), ==, second);
    CHECK_INT(ctl_field(app_ctl(a, "stats"), "shutdown"), ==, 0);
    app_stop(a);
}
