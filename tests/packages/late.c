/* A library that comes after ecewo-cluster on the command line, as libuv does: it calls what the program does not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/uio.h>

int late(int fd);

int late(int fd)
{
    struct epoll_event event;
    struct iovec part = { .iov_base = &event, .iov_len = 0 };
    if (epoll_wait(fd, &event, 1, 0) > 0)
        return (int)splice(fd, 0, fd, 0, 0, 0);
    return (int)writev(fd, &part, 1);
}
