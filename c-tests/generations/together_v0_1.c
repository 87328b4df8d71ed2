/* The part of together.c that knows v0.1's header only. Functions are also called by their addresses. */
#include "v0.1/ecewo-cluster.h"

#include "together.h"

#include <string.h>

const char *together_v0_1(const struct together *t)
{
    int (*get_stats)(ClusterStats *) = cluster_get_stats;
    int (*get_worker)(uint8_t, WorkerStats *) = cluster_get_worker_stats;
    ClusterStats stats;
    WorkerStats workers[4];
    EXPECT(cluster_is_master() && !cluster_is_worker());
    EXPECT(cluster_worker_count() == t->workers && cluster_get_port() == t->port);
    EXPECT(cluster_get_stats(&stats) == 0 && get_stats(&stats) == 0);
    EXPECT(stats.total_workers == 3 && stats.active_workers == 3 && stats.total_restarts == 0);
    EXPECT(cluster_get_stats(NULL) == -1 && get_stats(NULL) == -1);
    for (uint8_t id = 0; id < 3; id++) {
        EXPECT(get_worker(id, &workers[0]) == 0);
        EXPECT(workers[0].worker_id == id && workers[0].pid == t->pids[id] && workers[0].port == t->port);
        EXPECT(workers[0].status == WORKER_ACTIVE && workers[0].start_time > 0);
    }
    EXPECT(get_worker(0, NULL) == -1);
    EXPECT(cluster_get_worker_stats(3, &workers[0]) == -1 && workers[0].pid == 0 && workers[0].port == 0);
    memset(workers, 0xee, sizeof workers);
    EXPECT(cluster_get_all_workers(workers, 2) == 2 && workers[1].pid == t->pids[1] && workers[2].worker_id == 0xee);
    EXPECT(cluster_get_all_workers(workers, 4) == 3 && workers[2].pid == t->pids[2]);
    EXPECT(cluster_get_all_workers(workers, 0) == 0 && cluster_get_all_workers(NULL, 4) == 0);
    return NULL;
}

int together_init_v0_1(int argc, char **argv)
{
    int (*init)(const Cluster *, int, char **) = cluster_init;
    Cluster options = {.cpus = 1, .port = 1};
    return init(&options, argc, argv);
}
