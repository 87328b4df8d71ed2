/* As Boost.Asio does: the listening socket is in the epoll set, edge-triggered, before bind() and listen(). */
#include "zl.h"

int zl_serve(const struct zl_options *options)
{
    return zl_reactor(options, &zl_epoll_edge, true, -1);
}
