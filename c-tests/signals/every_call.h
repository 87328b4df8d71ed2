/*
 * Every function that contract 4.2 allows in signal handlers and on any thread, called once, and its answer judged.
 * Nothing in here is more than that: it runs in handlers.
 */
#ifndef CT_EVERY_CALL_H
#define CT_EVERY_CALL_H

#include "lab.h"

#include <errno.h>

#define EVERY_CALL_WORKERS 2
#define EVERY_CALL_ERRNO 4711

/* What was wrong first, a string constant; NULL if nothing is. */
typedef const char *verdict;

static inline void every_call_judge(verdict *found, bool right, verdict name)
{
    if (!*found && (!right || errno != EVERY_CALL_ERRNO))
        *found = name;
    errno = EVERY_CALL_ERRNO;
}

static inline verdict every_call_worker(const worker_stats_t *worker, int id)
{
    if (worker->worker_id != id || worker->port == 0)
        return "a worker's id or port";
    if (worker->pid < 0 || worker->status > WORKER_DISABLED || (worker->status == WORKER_ACTIVE && worker->pid == 0))
        return "a worker's pid or status";
    return worker->pid == 0 && worker->uptime_seconds != 0 ? "a worker's uptime" : NULL;
}

/* Identity and statistics. Keeps errno. `steady`: nothing but this thread can begin or end the cluster, so that all answers belong to the
   same state. */
static inline verdict every_call_that_asks(bool steady)
{
    verdict found = NULL;
    cluster_stats_t stats;
    worker_stats_t one, all[EVERY_CALL_WORKERS];
    int saved = errno;
    errno = EVERY_CALL_ERRNO;
    bool master = cluster_is_master();
    every_call_judge(&found, true, "cluster_is_master");
    every_call_judge(&found, !cluster_is_worker(), "cluster_is_worker");
    every_call_judge(&found, cluster_worker_id() == 0, "cluster_worker_id");
    bool counts = cluster_worker_count() == (master ? EVERY_CALL_WORKERS : 0);
    every_call_judge(&found, counts || !steady, "cluster_worker_count");
    bool has_port = (cluster_get_port() != 0) == master;
    every_call_judge(&found, has_port || !steady, "cluster_get_port");
    bool sums = cluster_get_stats(&stats) == master && stats.total_workers == (master ? EVERY_CALL_WORKERS : 0) &&
                stats.active_workers + stats.crashed_workers + stats.disabled_workers <= EVERY_CALL_WORKERS;
    every_call_judge(&found, sums || !steady, "cluster_get_stats");
    bool known = cluster_get_worker_stats(1, &one) == master;
    every_call_judge(&found, known || !steady, "cluster_get_worker_stats");
    if (!found && master && steady)
        found = every_call_worker(&one, 1);
    every_call_judge(&found, cluster_get_worker_stats(EVERY_CALL_WORKERS, &one) == 0, "cluster_get_worker_stats of no worker");
    bool complete = cluster_get_all_workers(all, EVERY_CALL_WORKERS) == (master ? EVERY_CALL_WORKERS : 0);
    every_call_judge(&found, complete || !steady, "cluster_get_all_workers");
    for (int id = 0; !found && master && steady && id < EVERY_CALL_WORKERS; id++)
        found = every_call_worker(&all[id], id);
    errno = saved;
    return found;
}

/* Signals and restarts. `with_errors`: also what gives an [ERROR] line. */
static inline verdict every_call_that_acts(bool with_errors)
{
    verdict found = NULL;
    int saved = errno;
    errno = EVERY_CALL_ERRNO;
    cluster_signal_workers(SIGWINCH);
    every_call_judge(&found, true, "errno after cluster_signal_workers");
    cluster_graceful_restart();
    every_call_judge(&found, true, "errno after cluster_graceful_restart");
    if (with_errors)
        cluster_signal_workers(32);
    every_call_judge(&found, true, "errno after an [ERROR] line");
    errno = saved;
    return found;
}

/* A worker for such storms: SIGWINCH does nothing to it. With an id above 0 it crashes all the time, but lives long enough to be ready. */
static inline int every_call_victim(void)
{
    plain_listen("0.0.0.0", cluster_get_port());
    if (cluster_worker_id() > 0) {
        lab_wait_for(25);
        _exit(3);
    }
    lab_sleep_for_ever();
}

#endif
