/* What the tests of failed deploys share: the program, and all that must be as before after one. */
#ifndef CT_DEPLOY_H
#define CT_DEPLOY_H

#include "lab.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    app *a;
    const char *path;
    pid_t first, second;
    int starts;
} deployment;

static inline deployment deploy_start(void)
{
    deployment d = {.path = lab_path("app")};
    release_install(d.path, "1");
    d.a = app_start(.control = true, .program = d.path, .env = lab_env());
    app_wait_out(d.a, "master ready");
    app_wait_serving(d.a, 2);
    d.first = app_worker_pid(d.a, 0);
    d.second = app_worker_pid(d.a, 1);
    d.starts = 2;
    return d;
}

/* Requests a restart that fails at worker 0; `what` is to be in the one line that tells of it. */
static inline void deploy_expect_failure(deployment *d, const char *what, int64_t within_ms)
{
    cluster_stats_t stats;
    worker_stats_t worker;
    size_t mark = app_mark_err(d->a);
    int errors = app_count_err(d->a, "[ERROR]");
    uint64_t restarts = app_get_stats(d->a, &stats) ? stats.total_restarts : 0;
    int64_t end = ct_deadline(within_ms);
    app_ctl(d->a, "restart");
    while (app_count_err(d->a, "[ERROR]") == errors && ct_now_ms() < end)
        ct_pump(100);
    CHECK_MATCH(app_wait_err_since(d->a, mark, "[ERROR]"), "orker 0");
    CHECK_MATCH(app_wait_err_since(d->a, mark, "[ERROR]"), what);
    lab_finish_restart(d->a);

    app_expect_err_count(d->a, "[ERROR]", errors + 1);
    app_expect_out_count(d->a, "event start", d->starts);
    CHECK_INT(app_get_stats(d->a, &stats), ==, 1);
    CHECK_INT(stats.total_restarts, ==, restarts);
    CHECK_INT(stats.active_workers, ==, 2);
    CHECK_INT(app_get_worker(d->a, 0, &worker), ==, 1);
    CHECK_INT(worker.pid, ==, d->first);
    CHECK_INT(worker.status, ==, WORKER_ACTIVE);
    CHECK_INT(worker.crash_count, ==, 0);
    CHECK_INT(app_worker_pid(d->a, 1), ==, d->second);
    app_wait_serving(d->a, 2);
    pid_t all[16];
    WAIT_UNTIL(app_children(d->a, all, 16) == 2); /* the replacement is gone */
}

/* After all failures: a crash respawn still runs the old image, and a good deploy works. */
static inline void deploy_expect_recovery(deployment *d)
{
    int exits = app_count_out(d->a, "event exit");
    CHECK_INT(kill(d->second, SIGKILL), ==, 0);
    CHECK_STR(release_of(lab_wait_new_pid(d->a, 1, d->second)), "1");
    app_wait_out_times(d->a, "event start", d->starts + 1);
    app_wait_serving(d->a, 2);

    release_install(d->path, "good");
    app_ctl(d->a, "restart");
    app_wait_out_times(d->a, "event exit", exits + 3);
    lab_finish_restart(d->a);
    CHECK_STR(release_of_worker(d->a, 0), "good");
    CHECK_STR(release_of_worker(d->a, 1), "good");
    app_wait_serving(d->a, 2);
    app_stop(d->a);
}

#endif
