/*
 * v0.1's interface under the documentation's names and values, so that the same test programs run over both (contract 10.1).
 * What v0.1 calls the same stays: Cluster (with its own order of fields), the WORKER_ numbers and the functions without results
 * of their own.
 */
#ifndef AS_DOCUMENTED_V0_1_H
#define AS_DOCUMENTED_V0_1_H

#include "v0.1/ecewo-cluster.h"

#include <stdlib.h>

typedef WorkerStatus worker_status_t;
typedef WorkerStats worker_stats_t;
typedef ClusterStats cluster_stats_t;

/* 0 and -1 are all that v0.1 gives. */
static inline int as_documented(int result)
{
    if (result != 0 && result != -1)
        abort();
    return result + 1;
}

static inline bool as_documented_init(const Cluster *options, int argc, char **argv)
{
    return as_documented(cluster_init(options, argc, argv));
}

static inline int as_documented_get_stats(cluster_stats_t *stats)
{
    return as_documented(cluster_get_stats(stats));
}

static inline int as_documented_get_worker_stats(uint8_t worker_id, worker_stats_t *stats)
{
    return as_documented(cluster_get_worker_stats(worker_id, stats));
}

#define cluster_init as_documented_init
#define cluster_get_stats as_documented_get_stats
#define cluster_get_worker_stats as_documented_get_worker_stats

#endif
