/* contract 1.1, 1.3: the statistics functions give 1 on success and 0 on error, and zero what they cannot fill. */
#define STATS_OK 1
#define STATS_ERROR 0
#include "statistics_convention.h"
