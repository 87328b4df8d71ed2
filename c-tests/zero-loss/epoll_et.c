/* epoll, edge-triggered: accepts and reads until EAGAIN. */
#include "zl.h"

int zl_serve(const struct zl_options *options)
{
    return zl_reactor(options, &zl_epoll_edge, false, -1);
}
