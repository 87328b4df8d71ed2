/* contract 2.3, 3.8, 5.5: 255 workers run at once, with the usual soft limit of descriptors, and all are gone at the end.
 * ctest: serial */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define WORKERS 255
#define SOFT_LIMIT 256

static void usual_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = SOFT_LIMIT;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = WORKERS, .port = app_port(argv), .respawn = true};
    if (getenv("ECEWO_WORKER_ID")) {
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        CHECK_INT(limit.rlim_cur, ==, SOFT_LIMIT);
    }
    return app_serve(&options, argc, argv);
}

static void check_name(app *a, int worker_id, const char *expected)
{
    char name[32];
    CHECK(proc_read(app_worker_pid(a, worker_id), "comm", name, sizeof name, NULL));
    name[strcspn(name, "\n")] = '\0';
    CHECK_STR(name, expected);
}

void test_main(void)
{
    test_time_limit(120);
    app *a = app_start(.control = true, .before_exec = usual_limit);
    int64_t end = ct_deadline(90000);
    while (app_count_out(a, "listening") < WORKERS && ct_now_ms() < end && !a->ended)
        ct_pump(100);
    app_wait_out(a, "master ready");
    app_wait_out_times(a, "listening", WORKERS);
    CHECK_INT(ctl_field(app_ctl(a, "stats"), "total"), ==, WORKERS);
    CHECK_INT(ctl_field(app_ctl(a, "stats"), "active"), ==, WORKERS);
    CHECK_INT(ctl_field(app_ctl(a, "all 256"), "ret"), ==, WORKERS);
    CHECK_INT(ctl_field(app_ctl(a, "all 254"), "ret"), ==, 254);
    check_name(a, 0, "ecewo:worker-0");
    check_name(a, 99, "ecewo:worker-99");
    check_name(a, 100, "ecewo:worker100");
    check_name(a, 254, "ecewo:worker254");

    pid_t old = app_worker_pid(a, 254);
    kill(old, SIGKILL);
    app_wait_new_pid(a, 254, old);
    CHECK_INT(http_get(a->port, "/").outcome, ==, HTTP_ANSWERED);
    kill(a->pid, SIGTERM);
    end = ct_deadline(60000);
    while (!a->ended && ct_now_ms() < end)
        ct_pump(100);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_err_count(a, "", 1);
}
