/* contract 10.1, 2.2: what a test program of the plugin's v0.2 calls outside of a running cluster, and what it expects. */
#include "ecewo-cluster.h"

#include <stdio.h>
#include <string.h>

#define EXPECT(condition)                                                                                                \
    do {                                                                                                                 \
        if (!(condition)) {                                                                                              \
            printf("line %d: expected: %s\n", __LINE__, #condition);                                                     \
            return 1;                                                                                                    \
        }                                                                                                                \
    } while (0)

static void on_start(uint8_t worker_id)
{
    (void)worker_id;
}

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    (void)worker_id, (void)exit_status, (void)is_crash;
}

/* Every setter on a configuration, or on none. */
static void set_everything(ecewo_cluster_config_t *config)
{
    ecewo_cluster_config_set_cpus(config, 2);
    ecewo_cluster_config_set_port(config, 3000);
    ecewo_cluster_config_set_respawn(config, true);
    ecewo_cluster_config_set_shutdown_timeout(config, 5000);
    ecewo_cluster_config_set_respawn_window(config, 10);
    ecewo_cluster_config_set_respawn_max_crashes(config, 5);
    ecewo_cluster_config_set_worker_startup_delay(config, 50);
    ecewo_cluster_config_set_worker_respawn_delay(config, 50);
    ecewo_cluster_config_set_on_start(config, on_start);
    ecewo_cluster_config_set_on_exit(config, on_exit_of);
    ecewo_cluster_config_set_on_start(config, NULL);
    ecewo_cluster_config_set_on_exit(config, NULL);
}

static int nothing_in(const ecewo_worker_stats_t *w, const ecewo_cluster_stats_t *c, ecewo_worker_status_t status)
{
    EXPECT(ecewo_worker_stats_id(w) == 0);
    EXPECT(ecewo_worker_stats_pid(w) == 0);
    EXPECT(ecewo_worker_stats_port(w) == 0);
    EXPECT(ecewo_worker_stats_status(w) == status);
    EXPECT(ecewo_worker_stats_start_time(w) == 0);
    EXPECT(ecewo_worker_stats_uptime_seconds(w) == 0);
    EXPECT(ecewo_worker_stats_exit_status(w) == 0);
    EXPECT(ecewo_worker_stats_crash_count(w) == 0);
    EXPECT(!ecewo_worker_stats_respawn_disabled(w));
    EXPECT(ecewo_cluster_stats_total_workers(c) == 0);
    EXPECT(ecewo_cluster_stats_active_workers(c) == 0);
    EXPECT(ecewo_cluster_stats_crashed_workers(c) == 0);
    EXPECT(ecewo_cluster_stats_disabled_workers(c) == 0);
    EXPECT(!ecewo_cluster_stats_shutdown_requested(c));
    EXPECT(!ecewo_cluster_stats_restart_requested(c));
    EXPECT(ecewo_cluster_stats_total_restarts(c) == 0);
    return 0;
}

static int statistics_refused(void)
{
    ecewo_worker_stats_t *w = ecewo_worker_stats_new(), *second = ecewo_worker_stats_new();
    ecewo_cluster_stats_t *c = ecewo_cluster_stats_new();
    ecewo_worker_stats_t *both[] = {w, NULL, second};
    EXPECT(w && second && c);
    EXPECT(ecewo_cluster_get_worker_stats(0, w) == -1);
    EXPECT(ecewo_cluster_get_worker_stats(0, NULL) == -1);
    EXPECT(ecewo_cluster_get_stats(c) == -1);
    EXPECT(ecewo_cluster_get_stats(NULL) == -1);
    EXPECT(ecewo_cluster_get_all_workers(both, 3) == 0);
    EXPECT(ecewo_cluster_get_all_workers(both, 0) == 0 && ecewo_cluster_get_all_workers(both, -1) == 0);
    EXPECT(ecewo_cluster_get_all_workers(NULL, 3) == 0);
    if (nothing_in(w, c, ECEWO_WORKER_STARTING) != 0 || nothing_in(NULL, NULL, ECEWO_WORKER_DISABLED) != 0)
        return 1;
    ecewo_worker_stats_free(w);
    ecewo_worker_stats_free(second);
    ecewo_worker_stats_free(NULL);
    ecewo_cluster_stats_free(c);
    ecewo_cluster_stats_free(NULL);
    return 0;
}

static int no_cluster(void)
{
    EXPECT(!ecewo_cluster_is_master() && !ecewo_cluster_is_worker());
    EXPECT(ecewo_cluster_port() == 0 && ecewo_cluster_worker_id() == 0 && ecewo_cluster_worker_count() == 0);
    EXPECT(ecewo_cluster_cpus() >= 1 && ecewo_cluster_cpus_physical() >= 1);
    EXPECT(ecewo_cluster_cpus_physical() <= ecewo_cluster_cpus());
    ecewo_cluster_wait(); /* returns at once */
    return statistics_refused();
}

int main(void)
{
    char program[] = "prog", option[] = "--cluster-worker", id[] = "2", port[] = "3000";
    char *alone[] = {program, NULL};
    char *worker[] = {program, option, id, port, NULL};

    if (no_cluster() != 0)
        return 1;
    EXPECT(ecewo_cluster_init(NULL, 0, NULL) == ECEWO_CLUSTER_ROLE_ERROR);
    ecewo_cluster_config_t *config = ecewo_cluster_config_new();
    EXPECT(config != NULL);
    EXPECT(ecewo_cluster_init(config, 1, alone) == ECEWO_CLUSTER_ROLE_ERROR); /* no port */
    set_everything(config);
    set_everything(NULL);
    EXPECT(ecewo_cluster_init(config, 0, NULL) == ECEWO_CLUSTER_ROLE_ERROR);
    EXPECT(ecewo_cluster_init(config, 1, NULL) == ECEWO_CLUSTER_ROLE_ERROR);
    EXPECT(ecewo_cluster_init(config, 0, alone) == ECEWO_CLUSTER_ROLE_ERROR);
    if (no_cluster() != 0)
        return 1;

    EXPECT(ecewo_cluster_init(config, 4, worker) == ECEWO_CLUSTER_ROLE_WORKER);
    EXPECT(ecewo_cluster_init(config, 4, worker) == ECEWO_CLUSTER_ROLE_ERROR); /* once is enough ... */
    ecewo_cluster_config_free(config);
    ecewo_cluster_config_free(NULL);
    EXPECT(ecewo_cluster_is_worker() && !ecewo_cluster_is_master()); /* ... and it stays what it is */
    EXPECT(ecewo_cluster_worker_id() == 2 && ecewo_cluster_port() == 3000 && ecewo_cluster_worker_count() >= 3);
    return statistics_refused();
}
