/* Waiting with select: no descriptor of 1024 or more. */
#include "zl.h"

#include <sys/select.h>

static fd_set all_read, all_write;
static int highest;

static void open_set(void)
{
    FD_ZERO(&all_read);
    FD_ZERO(&all_write);
}

static void watch(int fd, bool write, bool is_new)
{
    (void)is_new;
    FD_SET(fd, &all_read);
    if (write)
        FD_SET(fd, &all_write);
    else
        FD_CLR(fd, &all_write);
    highest = fd > highest ? fd : highest;
}

static void forget(int fd)
{
    FD_CLR(fd, &all_read);
    FD_CLR(fd, &all_write);
}

static int wait_for(int timeout_ms, struct zl_ready *ready, int room)
{
    fd_set to_read = all_read, to_write = all_write;
    struct timeval timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
    int found = 0;
    if (select(highest + 1, &to_read, &to_write, NULL, timeout_ms < 0 ? NULL : &timeout) <= 0)
        return 0;
    for (int fd = 0; fd <= highest && found < room; fd++)
        if (FD_ISSET(fd, &to_read) || FD_ISSET(fd, &to_write))
            ready[found++] = (struct zl_ready){ fd, FD_ISSET(fd, &to_read) != 0, FD_ISSET(fd, &to_write) != 0 };
    return found;
}

int zl_serve(const struct zl_options *options)
{
    static const struct zl_waiter waiter = { false, FD_SETSIZE, open_set, watch, forget, wait_for };
    return zl_reactor(options, &waiter, false, -1);
}
