#include "layout.h"

#include <cstdio>

/* contract 1: the header serves C++ programs too: this one links and runs. */
int main()
{
    Cluster options = Cluster();
    worker_stats_t worker;
    cluster_stats_t stats;
    check_field_types(&options, &worker, &stats);
    check_function_types();
#ifdef ECEWO_CLUSTER_ZERO_ON_SUCCESS
    const int error = -1;
#else
    const int error = 0;
#endif
    if (cluster_cpus() < 1 || cluster_is_master() || cluster_is_worker() || cluster_get_stats(&stats) != error) {
        std::printf("the answers outside of a cluster are wrong\n");
        return 1;
    }
    return 0;
}
