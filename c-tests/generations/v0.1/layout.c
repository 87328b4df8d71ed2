#include "layout.h"

int header_in_c(void);

int header_in_c(void)
{
    Cluster options = {0};
    WorkerStats worker;
    ClusterStats stats;
    check_field_types(&options, &worker, &stats);
    check_function_types();
    return 0;
}
