/* contract 10.1: names, types, order and size of everything in v0.1's header, checked at compile time, in C99 and later and in C++11
 * and later. The header is included twice, as in a program of several files with headers of their own. */
#include "ecewo-cluster.h"
#include "ecewo-cluster.h"

#include <stddef.h>

/* C99 has no static assertions: an array of negative size does as well. */
#define HOLDS(name, condition) typedef char check_##name[(condition) ? 1 : -1]
#define FIELD(type, field, where, bytes)                                                                                 \
    HOLDS(type##_##field##_offset, offsetof(type, field) == (where));                                                    \
    HOLDS(type##_##field##_size, sizeof(((type *)0)->field) == (bytes))

HOLDS(lp64, sizeof(void *) == 8 && sizeof(long) == 8 && sizeof(time_t) == 8);

FIELD(Cluster, cpus, 0, 1);
FIELD(Cluster, port, 2, 2);
FIELD(Cluster, respawn, 4, 1);
FIELD(Cluster, shutdown_timeout_ms, 8, 4);
FIELD(Cluster, respawn_window_sec, 12, 4);
FIELD(Cluster, respawn_max_crashes, 16, 1);
FIELD(Cluster, worker_startup_delay_ms, 20, 4);
FIELD(Cluster, worker_respawn_delay_ms, 24, 4);
FIELD(Cluster, on_start, 32, 8);
FIELD(Cluster, on_exit, 40, 8);
HOLDS(cluster, sizeof(Cluster) == 48);

FIELD(WorkerStats, worker_id, 0, 1);
FIELD(WorkerStats, pid, 4, 4);
FIELD(WorkerStats, port, 8, 2);
FIELD(WorkerStats, status, 12, 4);
FIELD(WorkerStats, start_time, 16, 8);
FIELD(WorkerStats, uptime_seconds, 24, 8);
FIELD(WorkerStats, exit_status, 32, 4);
FIELD(WorkerStats, crash_count, 36, 1);
FIELD(WorkerStats, respawn_disabled, 37, 1);
HOLDS(worker_stats, sizeof(WorkerStats) == 40);

FIELD(ClusterStats, total_workers, 0, 1);
FIELD(ClusterStats, active_workers, 1, 1);
FIELD(ClusterStats, crashed_workers, 2, 1);
FIELD(ClusterStats, disabled_workers, 3, 1);
FIELD(ClusterStats, shutdown_requested, 4, 1);
FIELD(ClusterStats, restart_requested, 5, 1);
FIELD(ClusterStats, total_restarts, 8, 8);
HOLDS(cluster_stats, sizeof(ClusterStats) == 16);

HOLDS(starting, WORKER_STARTING == 0);
HOLDS(active, WORKER_ACTIVE == 1);
HOLDS(stopping, WORKER_STOPPING == 2);
HOLDS(crashed, WORKER_CRASHED == 3);
HOLDS(respawning, WORKER_RESPAWNING == 4);
HOLDS(disabled, WORKER_DISABLED == 5);

/* A pointer of the field's type, or of the function's, can only be set from exactly that type. */
static inline void check_field_types(Cluster *c, WorkerStats *w, ClusterStats *s)
{
    uint8_t *u8[] = {&c->cpus, &c->respawn_max_crashes, &w->worker_id, &w->crash_count, &s->total_workers,
                     &s->active_workers, &s->crashed_workers, &s->disabled_workers};
    uint16_t *u16[] = {&c->port, &w->port};
    uint32_t *u32[] = {&c->shutdown_timeout_ms, &c->worker_startup_delay_ms, &c->worker_respawn_delay_ms,
                       &c->respawn_window_sec};
    uint64_t *u64 = &s->total_restarts;
    bool *flags[] = {&c->respawn, &w->respawn_disabled, &s->shutdown_requested, &s->restart_requested};
    int *ints[] = {&w->pid, &w->exit_status};
    time_t *times[] = {&w->start_time, &w->uptime_seconds};
    WorkerStatus *status = &w->status;
    void (**start)(uint8_t) = &c->on_start;
    void (**end)(uint8_t, int, bool) = &c->on_exit;
    (void)u8, (void)u16, (void)u32, (void)u64, (void)flags, (void)ints, (void)times, (void)status, (void)start, (void)end;
}

static inline void check_function_types(void)
{
    int (*init)(const Cluster *, int, char **) = cluster_init;
    void (*no_arguments[])(void) = {cluster_wait_workers, cluster_graceful_restart};
    void (*signal_workers)(int) = cluster_signal_workers;
    uint16_t (*port)(void) = cluster_get_port;
    bool (*roles[])(void) = {cluster_is_master, cluster_is_worker};
    uint8_t (*counts[])(void) = {cluster_worker_id, cluster_worker_count, cluster_cpus, cluster_cpus_physical};
    int (*stats)(ClusterStats *) = cluster_get_stats;
    int (*worker)(uint8_t, WorkerStats *) = cluster_get_worker_stats;
    int (*all)(WorkerStats *, int) = cluster_get_all_workers;
    (void)init, (void)no_arguments, (void)signal_workers, (void)port, (void)roles, (void)counts, (void)stats, (void)worker, (void)all;
}
