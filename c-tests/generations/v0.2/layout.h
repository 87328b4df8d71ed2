/* contract 10.1: names, types and values of everything in v0.2's header, checked at compile time, in C99 and later and in C++11 and
 * later. The header is included twice, as in a program of several files with headers of their own. */
struct ecewo_cluster_config_s; /* programs may know them by their tags */
struct ecewo_cluster_stats_s;
struct ecewo_worker_stats_s;

#include "ecewo-cluster.h"
#include "ecewo-cluster.h"

#include <stddef.h>

/* C99 has no static assertions: an array of negative size does as well. */
#define HOLDS(name, condition) typedef char check_##name[(condition) ? 1 : -1]

HOLDS(error, ECEWO_CLUSTER_ROLE_ERROR == -1);
HOLDS(master, ECEWO_CLUSTER_ROLE_MASTER == 0);
HOLDS(worker, ECEWO_CLUSTER_ROLE_WORKER == 1);
HOLDS(role, sizeof(ecewo_cluster_role_t) == 4);
HOLDS(starting, ECEWO_WORKER_STARTING == 0);
HOLDS(active, ECEWO_WORKER_ACTIVE == 1);
HOLDS(stopping, ECEWO_WORKER_STOPPING == 2);
HOLDS(crashed, ECEWO_WORKER_CRASHED == 3);
HOLDS(respawning, ECEWO_WORKER_RESPAWNING == 4);
HOLDS(disabled, ECEWO_WORKER_DISABLED == 5);
HOLDS(status, sizeof(ecewo_worker_status_t) == 4);

typedef struct ecewo_cluster_config_s config;
typedef struct ecewo_cluster_stats_s cluster_stats;
typedef struct ecewo_worker_stats_s worker_stats;

ECEWO_CLUSTER_EXPORT int exported_by_the_program(void);

/* A pointer of a function's type can only be set from exactly that type. */
static inline void check_config_functions(void)
{
    config *(*make)(void) = ecewo_cluster_config_new;
    void (*give_back)(config *) = ecewo_cluster_config_free;
    void (*set_u8[])(config *, uint8_t) = {ecewo_cluster_config_set_cpus, ecewo_cluster_config_set_respawn_max_crashes};
    void (*set_u16)(config *, uint16_t) = ecewo_cluster_config_set_port;
    void (*set_bool)(config *, bool) = ecewo_cluster_config_set_respawn;
    void (*set_u32[])(config *, uint32_t) = {
        ecewo_cluster_config_set_shutdown_timeout, ecewo_cluster_config_set_respawn_window,
        ecewo_cluster_config_set_worker_startup_delay, ecewo_cluster_config_set_worker_respawn_delay};
    void (*set_start)(config *, void (*)(uint8_t)) = ecewo_cluster_config_set_on_start;
    void (*set_exit)(config *, void (*)(uint8_t, int, bool)) = ecewo_cluster_config_set_on_exit;
    ecewo_cluster_on_start_t start = NULL;
    ecewo_cluster_on_exit_t end = NULL;
    void (**start_type)(uint8_t) = &start;
    void (**end_type)(uint8_t, int, bool) = &end;
    (void)make, (void)give_back, (void)set_u8, (void)set_u16, (void)set_bool, (void)set_u32, (void)set_start, (void)set_exit;
    (void)start_type, (void)end_type;
}

static inline void check_functions(void)
{
    ecewo_cluster_role_t (*init)(const ecewo_cluster_config_t *, int, char **) = ecewo_cluster_init;
    void (*no_arguments[])(void) = {ecewo_cluster_wait, ecewo_cluster_graceful_restart};
    void (*signal_workers)(int) = ecewo_cluster_signal_workers;
    uint16_t (*port)(void) = ecewo_cluster_port;
    bool (*roles[])(void) = {ecewo_cluster_is_master, ecewo_cluster_is_worker};
    uint8_t (*counts[])(void) = {ecewo_cluster_worker_id, ecewo_cluster_worker_count, ecewo_cluster_cpus,
                                 ecewo_cluster_cpus_physical};
    int (*stats)(ecewo_cluster_stats_t *) = ecewo_cluster_get_stats;
    int (*worker)(uint8_t, ecewo_worker_stats_t *) = ecewo_cluster_get_worker_stats;
    int (*all)(ecewo_worker_stats_t **, int) = ecewo_cluster_get_all_workers;
    (void)init, (void)no_arguments, (void)signal_workers, (void)port, (void)roles, (void)counts, (void)stats, (void)worker, (void)all;
}

static inline void check_statistics_functions(void)
{
    cluster_stats *(*new_cluster)(void) = ecewo_cluster_stats_new;
    worker_stats *(*new_worker)(void) = ecewo_worker_stats_new;
    void (*free_cluster)(cluster_stats *) = ecewo_cluster_stats_free;
    void (*free_worker)(worker_stats *) = ecewo_worker_stats_free;
    uint8_t (*c8[])(const cluster_stats *) = {ecewo_cluster_stats_total_workers, ecewo_cluster_stats_active_workers,
                                              ecewo_cluster_stats_crashed_workers, ecewo_cluster_stats_disabled_workers};
    bool (*c_bool[])(const cluster_stats *) = {ecewo_cluster_stats_shutdown_requested, ecewo_cluster_stats_restart_requested};
    uint64_t (*c64)(const cluster_stats *) = ecewo_cluster_stats_total_restarts;
    uint8_t (*w8[])(const worker_stats *) = {ecewo_worker_stats_id, ecewo_worker_stats_crash_count};
    int (*w_int[])(const worker_stats *) = {ecewo_worker_stats_pid, ecewo_worker_stats_exit_status};
    uint16_t (*w16)(const worker_stats *) = ecewo_worker_stats_port;
    ecewo_worker_status_t (*status)(const worker_stats *) = ecewo_worker_stats_status;
    int64_t (*times[])(const worker_stats *) = {ecewo_worker_stats_start_time, ecewo_worker_stats_uptime_seconds};
    bool (*disabled)(const worker_stats *) = ecewo_worker_stats_respawn_disabled;
    (void)new_cluster, (void)new_worker, (void)free_cluster, (void)free_worker, (void)c8, (void)c_bool, (void)c64, (void)w8;
    (void)w_int, (void)w16, (void)status, (void)times, (void)disabled;
}
