/* The part of together.c that knows v0.2's header only. */
#include "v0.2/ecewo-cluster.h"

#include "together.h"

#include <stdlib.h>

static const char *all_workers(const struct together *t)
{
    /* A hole in the array is left out; what stands behind the workers is not touched. */
    ecewo_worker_stats_t *first = ecewo_worker_stats_new(), *third = ecewo_worker_stats_new();
    ecewo_worker_stats_t *all[5] = {first, NULL, third, (ecewo_worker_stats_t *)8, (ecewo_worker_stats_t *)8};
    EXPECT(first && third);
    EXPECT(ecewo_cluster_get_all_workers(all, 5) == 2);
    EXPECT(ecewo_worker_stats_id(first) == 0 && ecewo_worker_stats_pid(first) == t->pids[0]);
    EXPECT(ecewo_worker_stats_id(third) == 2 && ecewo_worker_stats_pid(third) == t->pids[2]);
    EXPECT(ecewo_worker_stats_port(third) == t->port && ecewo_worker_stats_status(third) == ECEWO_WORKER_ACTIVE);
    EXPECT(ecewo_worker_stats_start_time(third) > 0 && ecewo_worker_stats_uptime_seconds(third) >= 0);
    EXPECT(ecewo_cluster_get_all_workers(all, 1) == 1);
    EXPECT(ecewo_cluster_get_all_workers(all, 0) == 0 && ecewo_cluster_get_all_workers(all, -1) == 0);
    EXPECT(ecewo_cluster_get_all_workers(NULL, 5) == 0);
    free(first); /* as with the plugin, this is as good as ecewo_worker_stats_free */
    ecewo_worker_stats_free(third);
    return NULL;
}

const char *together_v0_2(const struct together *t)
{
    ecewo_cluster_stats_t *stats = ecewo_cluster_stats_new();
    ecewo_worker_stats_t *worker = ecewo_worker_stats_new();
    EXPECT(ecewo_cluster_is_master() && !ecewo_cluster_is_worker());
    EXPECT(ecewo_cluster_worker_count() == t->workers && ecewo_cluster_port() == t->port);
    EXPECT(ecewo_cluster_worker_id() == 0);
    EXPECT(ecewo_cluster_get_stats(stats) == 0 && ecewo_cluster_get_stats(NULL) == -1);
    EXPECT(ecewo_cluster_stats_total_workers(stats) == 3 && ecewo_cluster_stats_active_workers(stats) == 3);
    for (uint8_t id = 0; id < 3; id++) {
        EXPECT(ecewo_cluster_get_worker_stats(id, worker) == 0);
        EXPECT(ecewo_worker_stats_id(worker) == id && ecewo_worker_stats_pid(worker) == t->pids[id]);
    }
    /* An error leaves nothing of what was there before. */
    EXPECT(ecewo_cluster_get_worker_stats(3, worker) == -1);
    EXPECT(ecewo_worker_stats_pid(worker) == 0 && ecewo_worker_stats_port(worker) == 0);
    EXPECT(ecewo_worker_stats_status(worker) == ECEWO_WORKER_STARTING);
    EXPECT(ecewo_cluster_get_worker_stats(0, NULL) == -1);
    ecewo_cluster_stats_free(stats);
    ecewo_worker_stats_free(worker);
    return all_workers(t);
}

int together_init_v0_2(int argc, char **argv)
{
    ecewo_cluster_config_t *config = ecewo_cluster_config_new();
    ecewo_cluster_config_set_port(config, 1);
    int role = ecewo_cluster_init(config, argc, argv);
    ecewo_cluster_config_free(config);
    return role;
}
