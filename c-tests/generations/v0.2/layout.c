#include "layout.h"

int header_in_c(void);

int header_in_c(void)
{
    check_config_functions();
    check_functions();
    check_statistics_functions();
    return 0;
}
