#include "layout.h"

#include <cstdio>

/* The names of the interface are no macros: other things of a program may have them, too. */
struct plugins {
    int cluster_init(int number) { return number; }
    int (*cluster_get_stats)(int);
};
namespace app {
inline int cluster_init() { return 7; }
} // namespace app

/* contract 10.1: the header serves C++ programs too: this one links and runs. */
int main()
{
    Cluster options = Cluster();
    WorkerStats worker;
    ClusterStats stats;
    check_field_types(&options, &worker, &stats);
    check_function_types();
    plugins other = plugins();
    if (cluster_cpus() < 1 || cluster_is_master() || cluster_is_worker() || ::cluster_get_stats(&stats) != -1 ||
        ::cluster_init(nullptr, 0, nullptr) != -1 || other.cluster_init(3) != 3 || app::cluster_init() != 7) {
        std::printf("the answers outside of a cluster are wrong\n");
        return 1;
    }
    return 0;
}
