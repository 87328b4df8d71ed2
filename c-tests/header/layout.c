#include "layout.h"

int header_in_c(void);

int header_in_c(void)
{
    Cluster options = {0};
    worker_stats_t worker;
    cluster_stats_t stats;
    check_field_types(&options, &worker, &stats);
    check_function_types();
    return 0;
}
