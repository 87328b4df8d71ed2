/* For the build under ThreadSanitizer. The library waits by bare system calls, which that sanitizer does not know as waits: a signal that comes
   shortly before such a wait begins has its handler put off to the end of it, and nothing may ever end it. Here these waits become
   those of the C library, which the sanitizer does know. Linked with -Wl,--wrap=syscall. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

long __real_syscall(long number, ...);
int ___interceptor_epoll_pwait(int set, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask);
int ___interceptor_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout, const sigset_t *mask);

long __wrap_syscall(long number, ...)
{
    long given[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        given[i] = va_arg(list, long);
    va_end(list);
#ifdef SYS_epoll_wait
    if (number == SYS_epoll_wait)
        return ___interceptor_epoll_pwait((int)given[0], (struct epoll_event *)given[1], (int)given[2], (int)given[3], NULL);
#endif
    if (number == SYS_epoll_pwait)
        return ___interceptor_epoll_pwait((int)given[0], (struct epoll_event *)given[1], (int)given[2], (int)given[3],
                                          (const sigset_t *)given[4]);
    if (number == SYS_ppoll)
        return ___interceptor_ppoll((struct pollfd *)given[0], (nfds_t)given[1], (const struct timespec *)given[2],
                                    (const sigset_t *)given[3]);
    return __real_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
