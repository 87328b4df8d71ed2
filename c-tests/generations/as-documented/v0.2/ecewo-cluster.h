/*
 * v0.2's interface under the documentation's names, types and values, so that the same test programs run over both (contract
 * 10.1). Not for signal handlers: it makes room for statistics at each call.
 */
#ifndef AS_DOCUMENTED_V0_2_H
#define AS_DOCUMENTED_V0_2_H

#include "v0.2/ecewo-cluster.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    uint8_t cpus;
    uint16_t port;
    bool respawn;
    uint32_t shutdown_timeout_ms;
    uint32_t worker_startup_delay_ms;
    uint32_t worker_respawn_delay_ms;
    uint32_t respawn_window_sec;
    uint8_t respawn_max_crashes;
    void (*on_start)(uint8_t worker_id);
    void (*on_exit)(uint8_t worker_id, int exit_status, bool is_crash);
} Cluster;

typedef ecewo_worker_status_t worker_status_t;
#define WORKER_STARTING ECEWO_WORKER_STARTING
#define WORKER_ACTIVE ECEWO_WORKER_ACTIVE
#define WORKER_STOPPING ECEWO_WORKER_STOPPING
#define WORKER_CRASHED ECEWO_WORKER_CRASHED
#define WORKER_RESPAWNING ECEWO_WORKER_RESPAWNING
#define WORKER_DISABLED ECEWO_WORKER_DISABLED

typedef struct {
    uint8_t worker_id;
    int pid;
    uint16_t port;
    worker_status_t status;
    time_t start_time, uptime_seconds;
    int exit_status;
    uint8_t crash_count;
    bool respawn_disabled;
} worker_stats_t;

typedef struct {
    uint8_t total_workers, active_workers, crashed_workers, disabled_workers;
    bool shutdown_requested, restart_requested;
    uint64_t total_restarts;
} cluster_stats_t;

static inline ecewo_cluster_config_t *as_documented_config(const Cluster *options)
{
    ecewo_cluster_config_t *config = options ? ecewo_cluster_config_new() : NULL;
    if (!config)
        return NULL;
    ecewo_cluster_config_set_cpus(config, options->cpus);
    ecewo_cluster_config_set_port(config, options->port);
    ecewo_cluster_config_set_respawn(config, options->respawn);
    ecewo_cluster_config_set_shutdown_timeout(config, options->shutdown_timeout_ms);
    ecewo_cluster_config_set_worker_startup_delay(config, options->worker_startup_delay_ms);
    ecewo_cluster_config_set_worker_respawn_delay(config, options->worker_respawn_delay_ms);
    ecewo_cluster_config_set_respawn_window(config, options->respawn_window_sec);
    ecewo_cluster_config_set_respawn_max_crashes(config, options->respawn_max_crashes);
    ecewo_cluster_config_set_on_start(config, options->on_start);
    ecewo_cluster_config_set_on_exit(config, options->on_exit);
    return config;
}

static inline bool cluster_init(const Cluster *options, int argc, char **argv)
{
    ecewo_cluster_config_t *config = as_documented_config(options);
    bool was_in_cluster = ecewo_cluster_is_master() || ecewo_cluster_is_worker();
    ecewo_cluster_role_t role = ecewo_cluster_init(config, argc, argv);
    ecewo_cluster_config_free(config); /* at once, as v0.2's programs do */
    bool is_error = was_in_cluster || !(ecewo_cluster_is_master() || ecewo_cluster_is_worker());
    if (is_error ? role != ECEWO_CLUSTER_ROLE_ERROR
                 : role != (ecewo_cluster_is_master() ? ECEWO_CLUSTER_ROLE_MASTER : ECEWO_CLUSTER_ROLE_WORKER))
        abort();
    return role == ECEWO_CLUSTER_ROLE_MASTER;
}

static inline void as_documented_worker(const ecewo_worker_stats_t *from, worker_stats_t *to)
{
    to->worker_id = ecewo_worker_stats_id(from);
    to->pid = ecewo_worker_stats_pid(from);
    to->port = ecewo_worker_stats_port(from);
    to->status = ecewo_worker_stats_status(from);
    to->start_time = (time_t)ecewo_worker_stats_start_time(from);
    to->uptime_seconds = (time_t)ecewo_worker_stats_uptime_seconds(from);
    to->exit_status = ecewo_worker_stats_exit_status(from);
    to->crash_count = ecewo_worker_stats_crash_count(from);
    to->respawn_disabled = ecewo_worker_stats_respawn_disabled(from);
}

/* 0 and -1 are all that v0.2 gives. */
static inline int as_documented(int result)
{
    if (result != 0 && result != -1)
        abort();
    return result + 1;
}

static inline int cluster_get_stats(cluster_stats_t *stats)
{
    ecewo_cluster_stats_t *own = stats ? ecewo_cluster_stats_new() : NULL;
    int result = as_documented(ecewo_cluster_get_stats(own));
    if (stats) {
        stats->total_workers = ecewo_cluster_stats_total_workers(own);
        stats->active_workers = ecewo_cluster_stats_active_workers(own);
        stats->crashed_workers = ecewo_cluster_stats_crashed_workers(own);
        stats->disabled_workers = ecewo_cluster_stats_disabled_workers(own);
        stats->shutdown_requested = ecewo_cluster_stats_shutdown_requested(own);
        stats->restart_requested = ecewo_cluster_stats_restart_requested(own);
        stats->total_restarts = ecewo_cluster_stats_total_restarts(own);
    }
    ecewo_cluster_stats_free(own);
    return result;
}

static inline int cluster_get_worker_stats(uint8_t worker_id, worker_stats_t *stats)
{
    ecewo_worker_stats_t *own = stats ? ecewo_worker_stats_new() : NULL;
    int result = as_documented(ecewo_cluster_get_worker_stats(worker_id, own));
    if (stats)
        as_documented_worker(own, stats);
    ecewo_worker_stats_free(own);
    return result;
}

static inline int cluster_get_all_workers(worker_stats_t *stats_array, int array_size)
{
    int room = ecewo_cluster_worker_count();
    if (!stats_array || array_size < 1)
        return ecewo_cluster_get_all_workers(NULL, array_size);
    if (room > array_size)
        room = array_size;
    ecewo_worker_stats_t **own = (ecewo_worker_stats_t **)calloc((size_t)room + 1, sizeof *own);
    if (!own)
        abort();
    for (int i = 0; i < room; i++)
        own[i] = ecewo_worker_stats_new();
    int count = ecewo_cluster_get_all_workers(own, array_size);
    for (int i = 0; i < room; i++) {
        if (i < count)
            as_documented_worker(own[i], &stats_array[i]);
        ecewo_worker_stats_free(own[i]);
    }
    free(own);
    return count;
}

#define cluster_wait_workers ecewo_cluster_wait
#define cluster_signal_workers ecewo_cluster_signal_workers
#define cluster_graceful_restart ecewo_cluster_graceful_restart
#define cluster_get_port ecewo_cluster_port
#define cluster_is_master ecewo_cluster_is_master
#define cluster_is_worker ecewo_cluster_is_worker
#define cluster_worker_id ecewo_cluster_worker_id
#define cluster_worker_count ecewo_cluster_worker_count
#define cluster_cpus ecewo_cluster_cpus
#define cluster_cpus_physical ecewo_cluster_cpus_physical

#endif
