/* contract 5.2, 5.1: a worker that listens late, when its replacement is on its way already: what it listens on counts, and a replacement
   that listens there is ready at that moment, not 10 s later. */
#include "lab.h"

#include <string.h>

static int worker(void)
{
    gate_wait(strcmp(release_own(), "1") == 0 ? "old" : "new");
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

/* The gates in this order; each stays open from then on, so a folder of the lab serves one app. */
static void restart(const char *first, const char *second)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path, .env = lab_env());
    app_wait_out(a, "master ready"); /* 500 ms after the start, for nobody listens */
    release_install(path, "2");
    app_ctl(a, "restart");
    release_wait_child(a, "2");
    gate_open(first);
    app_wait_out(a, "worker 0 listening");
    int64_t before = ct_now_ms();
    gate_open(second); /* the old worker may be told to stop before it can say that it listens */
    lab_expect_events(a, "start 0; start 0; exit 0 143 graceful");
    CHECK_INT(lab_event_ms(a, 1) - before, <, 7000);
    lab_finish_restart(a);
    CHECK_STR(release_of_worker(a, 0), "2");
    app_expect_err_count(a, "", 0);
    app_stop(a);
}

void test_main(void)
{
    restart("new", "old");
}
