/* contract 10: the interface of the plugin's v0.1 as a C program sees it, for scripts/abi: what it has of its own, with an
   empty body. The compiler compares the definitions with the header's declarations. */
#include "ecewo-cluster.h"

int cluster_init(const Cluster *options, int argc, char **argv)
{
    (void)options;
    (void)argc;
    (void)argv;
    return 0;
}

int cluster_get_stats(ClusterStats *stats)
{
    (void)stats;
    return 0;
}

int cluster_get_worker_stats(uint8_t worker_id, WorkerStats *stats)
{
    (void)worker_id;
    (void)stats;
    return 0;
}

int cluster_get_all_workers(WorkerStats *stats_array, int array_size)
{
    (void)stats_array;
    (void)array_size;
    return 0;
}
