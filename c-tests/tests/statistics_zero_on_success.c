/* contract 1.1, 1.3: with ECEWO_CLUSTER_ZERO_ON_SUCCESS they give 0 on success and -1 on error; the count stays a count. */
#define ECEWO_CLUSTER_ZERO_ON_SUCCESS
#define STATS_OK 0
#define STATS_ERROR (-1)
#include "statistics_convention.h"
