/* epoll, level-triggered: one accept and one read an event. */
#include "zl.h"

int zl_serve(const struct zl_options *options)
{
    return zl_reactor(options, &zl_epoll_level, false, -1);
}
