/* contract 5.2: a program that needs long to start has more than 10 s for its replacement: three times what the
   predecessor took. */
#include "lab.h"

#include <string.h>
#include <unistd.h>

static int worker(void)
{
    /* The clock is the subject: 5.5 s, so that the limit is 16.5 s; then 10.5 s. */
    int64_t end = ct_now_ms() + (strcmp(release_own(), "1") == 0 ? 5500 : 10500);
    while (ct_now_ms() < end)
        usleep(10000);
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path);
    app_wait_out(a, "master ready");
    app_wait_out(a, "worker 0 listening");
    release_install(path, "2");
    int64_t before = ct_now_ms();
    app_ctl(a, "restart");
    lab_wait_for(9000);
    app_wait_out(a, "event exit 0 143 graceful");
    CHECK_INT(lab_event_ms(a, 1) - before, >=, 10498);
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 0; exit 0 143 graceful");
    CHECK_STR(release_of_worker(a, 0), "2");
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}
