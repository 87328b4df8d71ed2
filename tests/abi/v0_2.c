/* contract 10: the interface of the plugin's v0.2 as a C program sees it, for scripts/abi: every function of the header, with an
   empty body. The compiler compares the definitions with the header's declarations. */
#include "ecewo-cluster.h"

ecewo_cluster_config_t *ecewo_cluster_config_new(void)
{
    return NULL;
}

void ecewo_cluster_config_free(ecewo_cluster_config_t *config)
{
    (void)config;
}

void ecewo_cluster_config_set_cpus(ecewo_cluster_config_t *config, uint8_t cpus)
{
    (void)config;
    (void)cpus;
}

void ecewo_cluster_config_set_port(ecewo_cluster_config_t *config, uint16_t port)
{
    (void)config;
    (void)port;
}

void ecewo_cluster_config_set_respawn(ecewo_cluster_config_t *config, bool respawn)
{
    (void)config;
    (void)respawn;
}

void ecewo_cluster_config_set_shutdown_timeout(ecewo_cluster_config_t *config, uint32_t ms)
{
    (void)config;
    (void)ms;
}

void ecewo_cluster_config_set_respawn_window(ecewo_cluster_config_t *config, uint32_t seconds)
{
    (void)config;
    (void)seconds;
}

void ecewo_cluster_config_set_respawn_max_crashes(ecewo_cluster_config_t *config, uint8_t max_crashes)
{
    (void)config;
    (void)max_crashes;
}

void ecewo_cluster_config_set_worker_startup_delay(ecewo_cluster_config_t *config, uint32_t ms)
{
    (void)config;
    (void)ms;
}

void ecewo_cluster_config_set_worker_respawn_delay(ecewo_cluster_config_t *config, uint32_t ms)
{
    (void)config;
    (void)ms;
}

void ecewo_cluster_config_set_on_start(ecewo_cluster_config_t *config, ecewo_cluster_on_start_t cb)
{
    (void)config;
    (void)cb;
}

void ecewo_cluster_config_set_on_exit(ecewo_cluster_config_t *config, ecewo_cluster_on_exit_t cb)
{
    (void)config;
    (void)cb;
}

ecewo_cluster_role_t ecewo_cluster_init(const ecewo_cluster_config_t *config, int argc, char **argv)
{
    (void)config;
    (void)argc;
    (void)argv;
    return ECEWO_CLUSTER_ROLE_ERROR;
}

void ecewo_cluster_wait(void)
{
}

void ecewo_cluster_signal_workers(int signal)
{
    (void)signal;
}

void ecewo_cluster_graceful_restart(void)
{
}

uint16_t ecewo_cluster_port(void)
{
    return 0;
}

bool ecewo_cluster_is_master(void)
{
    return false;
}

bool ecewo_cluster_is_worker(void)
{
    return false;
}

uint8_t ecewo_cluster_worker_id(void)
{
    return 0;
}

uint8_t ecewo_cluster_worker_count(void)
{
    return 0;
}

uint8_t ecewo_cluster_cpus(void)
{
    return 0;
}

uint8_t ecewo_cluster_cpus_physical(void)
{
    return 0;
}

ecewo_cluster_stats_t *ecewo_cluster_stats_new(void)
{
    return NULL;
}

void ecewo_cluster_stats_free(ecewo_cluster_stats_t *stats)
{
    (void)stats;
}

int ecewo_cluster_get_stats(ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return 0;
}

uint8_t ecewo_cluster_stats_total_workers(const ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return 0;
}

uint8_t ecewo_cluster_stats_active_workers(const ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return 0;
}

uint8_t ecewo_cluster_stats_crashed_workers(const ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return 0;
}

uint8_t ecewo_cluster_stats_disabled_workers(const ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return 0;
}

bool ecewo_cluster_stats_shutdown_requested(const ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return false;
}

bool ecewo_cluster_stats_restart_requested(const ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return false;
}

uint64_t ecewo_cluster_stats_total_restarts(const ecewo_cluster_stats_t *stats)
{
    (void)stats;
    return 0;
}

ecewo_worker_stats_t *ecewo_worker_stats_new(void)
{
    return NULL;
}

void ecewo_worker_stats_free(ecewo_worker_stats_t *stats)
{
    (void)stats;
}

int ecewo_cluster_get_worker_stats(uint8_t worker_id, ecewo_worker_stats_t *stats)
{
    (void)worker_id;
    (void)stats;
    return 0;
}

int ecewo_cluster_get_all_workers(ecewo_worker_stats_t **stats_array, int array_size)
{
    (void)stats_array;
    (void)array_size;
    return 0;
}

uint8_t ecewo_worker_stats_id(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return 0;
}

int ecewo_worker_stats_pid(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return 0;
}

uint16_t ecewo_worker_stats_port(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return 0;
}

ecewo_worker_status_t ecewo_worker_stats_status(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return ECEWO_WORKER_DISABLED;
}

int64_t ecewo_worker_stats_start_time(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return 0;
}

int64_t ecewo_worker_stats_uptime_seconds(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return 0;
}

int ecewo_worker_stats_exit_status(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return 0;
}

uint8_t ecewo_worker_stats_crash_count(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return 0;
}

bool ecewo_worker_stats_respawn_disabled(const ecewo_worker_stats_t *stats)
{
    (void)stats;
    return false;
}
