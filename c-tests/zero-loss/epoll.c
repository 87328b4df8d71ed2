/* Waiting with epoll, level-triggered and edge-triggered. */
#include "zl.h"

#include <sys/epoll.h>

static int set;

static void open_set(void)
{
    set = epoll_create1(EPOLL_CLOEXEC);
}

static void forget(int fd)
{
    epoll_ctl(set, EPOLL_CTL_DEL, fd, &(struct epoll_event){ 0 });
}

static void watch_level(int fd, bool write, bool is_new)
{
    struct epoll_event event = { .events = EPOLLIN | (write ? EPOLLOUT : 0), .data.fd = fd };
    epoll_ctl(set, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

/* Once for everything, as it is usual with edge-triggered sets. */
static void watch_edge(int fd, bool write, bool is_new)
{
    (void)write;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd };
    if (is_new)
        epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static int wait_for(int timeout_ms, struct zl_ready *ready, int room)
{
    struct epoll_event events[256];
    int count = epoll_wait(set, events, room < 256 ? room : 256, timeout_ms);
    for (int i = 0; i < count; i++) {
        ready[i].fd = events[i].data.fd;
        ready[i].readable = (events[i].events & ~(uint32_t)EPOLLOUT) != 0;
        ready[i].writable = (events[i].events & EPOLLOUT) != 0;
    }
    return count;
}

const struct zl_waiter zl_epoll_level = { false, 8192, open_set, watch_level, forget, wait_for };
const struct zl_waiter zl_epoll_edge = { true, 8192, open_set, watch_edge, forget, wait_for };
