/* contract 1: the interface as a C program sees it, for scripts/abi: every function of the header, with an empty body. The
   compiler compares the definitions with the header's declarations. */
#include "ecewo-cluster.h"

bool cluster_init(const Cluster *options, int argc, char **argv)
{
    return options != NULL && argc > 0 && argv != NULL;
}

void cluster_wait_workers(void)
{
}

void cluster_signal_workers(int signal)
{
    (void)signal;
}

void cluster_graceful_restart(void)
{
}

uint16_t cluster_get_port(void)
{
    return 0;
}

bool cluster_is_master(void)
{
    return false;
}

bool cluster_is_worker(void)
{
    return false;
}

uint8_t cluster_worker_id(void)
{
    return 0;
}

uint8_t cluster_worker_count(void)
{
    return 0;
}

uint8_t cluster_cpus(void)
{
    return 0;
}

uint8_t cluster_cpus_physical(void)
{
    return 0;
}

int cluster_get_stats(cluster_stats_t *stats)
{
    return stats != NULL;
}

int cluster_get_worker_stats(uint8_t worker_id, worker_stats_t *stats)
{
    return worker_id == 0 && stats != NULL;
}

int cluster_get_all_workers(worker_stats_t *stats_array, int array_size)
{
    return stats_array != NULL && array_size > 0;
}
