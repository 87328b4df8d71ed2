/* contract 1.1, 3.2: whatever byte a C program has put into the truth value `respawn` (a struct that it did not clear, an old compiler's
   bool): 0 is false and everything else is true. */
#include "lab.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options;
    memset(&options, 0xff, sizeof options);
    options.cpus = 1;
    options.port = app_port(argv);
    options.shutdown_timeout_ms = options.worker_startup_delay_ms = 0;
    options.worker_respawn_delay_ms = 1;
    options.respawn_window_sec = 0;
    options.respawn_max_crashes = 0;
    options.on_start = lab_on_start;
    options.on_exit = lab_on_exit;
    memset((char *)&options + offsetof(Cluster, respawn), atoi(variant), 1);
    return lab_main(&options, argc, argv, plain_worker);
}

static app *crash(const char *byte)
{
    test_case(byte);
    app *a = app_start(.control = true, .variant = byte);
    app_wait_out(a, "master ready");
    lab_kill(a, 0, SIGKILL);
    return a;
}

void test_main(void)
{
    static const char *const bytes[] = {"1", "2", "128", "254", "255"};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        app *a = crash(bytes[i]);
        lab_expect_events(a, "start 0; exit 0 137 crash; start 0");
        app_stop(a);
    }
    app *a = crash("0");
    app_expect_exit(a, 0);
    lab_expect_events(a, "start 0; exit 0 137 crash");
    app_expect_none_left(a);
}
