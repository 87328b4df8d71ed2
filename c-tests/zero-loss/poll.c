/* Waiting with poll. */
#include "zl.h"

#include <poll.h>

#define MOST 8192

static struct pollfd fds[MOST];
static int count = 0;

static int index_of(int fd)
{
    for (int i = 0; i < count; i++)
        if (fds[i].fd == fd)
            return i;
    return -1;
}

static void open_set(void)
{
    count = 0;
}

static void watch(int fd, bool write, bool is_new)
{
    int i = is_new ? count++ : index_of(fd);
    if (i >= 0)
        fds[i] = (struct pollfd){ .fd = fd, .events = (short)(POLLIN | (write ? POLLOUT : 0)) };
}

static void forget(int fd)
{
    int i = index_of(fd);
    if (i >= 0)
        fds[i] = fds[--count];
}

static int wait_for(int timeout_ms, struct zl_ready *ready, int room)
{
    int found = 0;
    if (poll(fds, (nfds_t)count, timeout_ms) <= 0)
        return 0;
    for (int i = 0; i < count && found < room; i++)
        if (fds[i].revents)
            ready[found++] = (struct zl_ready){ fds[i].fd, (fds[i].revents & ~POLLOUT) != 0, (fds[i].revents & POLLOUT) != 0 };
    return found;
}

int zl_serve(const struct zl_options *options)
{
    static const struct zl_waiter waiter = { false, MOST, open_set, watch, forget, wait_for };
    return zl_reactor(options, &waiter, false, -1);
}
