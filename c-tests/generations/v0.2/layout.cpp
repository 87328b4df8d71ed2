#include "layout.h"

#include <cstdio>

/* contract 10.1: the header serves C++ programs too: this one links and runs. */
int main()
{
    check_config_functions();
    check_functions();
    check_statistics_functions();
    if (ecewo_cluster_cpus() < 1 || ecewo_cluster_is_master() || ecewo_cluster_is_worker() ||
        ecewo_cluster_get_stats(nullptr) != -1 || ecewo_cluster_init(nullptr, 0, nullptr) != ECEWO_CLUSTER_ROLE_ERROR) {
        std::printf("the answers outside of a cluster are wrong\n");
        return 1;
    }
    return 0;
}
