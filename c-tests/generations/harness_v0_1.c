/* contract 10.1, 2.2: what a test program of the plugin's v0.1 calls outside of a running cluster, and what it expects. */
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

static int statistics_refused(void)
{
    ClusterStats stats, no_stats;
    WorkerStats workers[3], no_worker;
    memset(&no_stats, 0, sizeof no_stats);
    memset(&no_worker, 0, sizeof no_worker);
    memset(&stats, 0xee, sizeof stats);
    memset(workers, 0xee, sizeof workers);
    EXPECT(cluster_get_stats(&stats) == -1);
    EXPECT(memcmp(&stats, &no_stats, sizeof stats) == 0);
    EXPECT(cluster_get_stats(NULL) == -1);
    EXPECT(cluster_get_worker_stats(0, &workers[0]) == -1);
    EXPECT(memcmp(&workers[0], &no_worker, sizeof no_worker) == 0);
    EXPECT(cluster_get_worker_stats(255, &workers[1]) == -1);
    EXPECT(cluster_get_worker_stats(0, NULL) == -1);
    EXPECT(cluster_get_all_workers(workers, 3) == 0);
    EXPECT(memcmp(&workers[2], &no_worker, sizeof no_worker) == 0);
    EXPECT(cluster_get_all_workers(workers, 0) == 0 && cluster_get_all_workers(workers, -1) == 0);
    EXPECT(cluster_get_all_workers(NULL, 3) == 0);
    return 0;
}

static int no_cluster(void)
{
    EXPECT(!cluster_is_master() && !cluster_is_worker());
    EXPECT(cluster_get_port() == 0 && cluster_worker_id() == 0 && cluster_worker_count() == 0);
    EXPECT(cluster_cpus() >= 1 && cluster_cpus_physical() >= 1 && cluster_cpus_physical() <= cluster_cpus());
    cluster_wait_workers(); /* returns at once */
    return statistics_refused();
}

int main(void)
{
    char program[] = "prog", option[] = "--cluster-worker", id[] = "2", port[] = "3000";
    char *alone[] = {program, NULL};
    char *worker[] = {program, option, id, port, NULL};
    Cluster options;
    memset(&options, 0, sizeof options);

    if (no_cluster() != 0)
        return 1;
    EXPECT(cluster_init(NULL, 0, NULL) == -1);
    EXPECT(cluster_init(&options, 1, alone) == -1); /* no port */
    options.port = 3000;
    EXPECT(cluster_init(&options, 1, NULL) == -1);
    EXPECT(cluster_init(&options, 0, alone) == -1);
    if (no_cluster() != 0)
        return 1;

    EXPECT(cluster_init(&options, 4, worker) == -1);
    EXPECT(cluster_is_worker() && !cluster_is_master());
    EXPECT(cluster_worker_id() == 2 && cluster_get_port() == 3000 && cluster_worker_count() >= 3);
    EXPECT(cluster_init(&options, 4, worker) == -1); /* once is enough, and it stays what it is */
    EXPECT(cluster_is_worker() && cluster_worker_id() == 2 && cluster_get_port() == 3000);
    return statistics_refused();
}
