/* Linked with ecewo as well as with the plugin. */
#include "ecewo-standin.h"

int with_ecewo(void);

int with_ecewo(void)
{
    return ecewo_standin_answer();
}
