/* See seam.h. What runs in a new process before exec must not allocate or lock: neither does anything after seam_arm(). */
#include "seam.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* More calls than any scenario makes by far: the master spins. */
#define TOO_MANY 60000

struct plan {
    char point[SEAM_NAME];
    long number;
    uint64_t nth, times;
};

static struct seam_record *records;
static struct plan plans[8];
static int plan_count;
static _Thread_local bool is_armed;
static _Thread_local bool is_child;
static _Atomic uint64_t total;
static _Atomic int64_t clock_jump_ms;

void seam_arm(void)
{
    const char *path = getenv("FAULT_RECORD"), *text = getenv("FAULT_PLAN");
    int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    size_t size = SEAM_POINTS * sizeof *records;
    if (file < 0 || ftruncate(file, (off_t)size) != 0)
        abort();
    records = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (records == MAP_FAILED)
        abort();
    while (text && *text && plan_count < (int)(sizeof plans / sizeof *plans)) {
        struct plan *plan = &plans[plan_count++];
        unsigned long long nth, times;
        if (sscanf(text, "%39[^:]:%ld:%llu:%llu", plan->point, &plan->number, &nth, &times) != 4)
            abort();
        plan->nth = nth;
        plan->times = times;
        text = strchr(text, ',');
        text = text ? text + 1 : NULL;
    }
    is_armed = true;
}

void seam_init_is_over(void)
{
    for (int i = 0; i < SEAM_POINTS; i++)
        records[i].passed_init = records[i].passed;
}

uint64_t seam_disarm(void)
{
    is_armed = false;
    return total;
}

static struct seam_record *record_of(const char *name)
{
    char whole[SEAM_NAME] = "child.";
    size_t used = is_child ? 6 : 0;
    strncpy(whole + used, name, sizeof whole - used - 1);
    for (int i = 0; i < SEAM_POINTS; i++) {
        if (records[i].name[0] == '\0')
            memcpy(records[i].name, whole, sizeof whole);
        if (memcmp(records[i].name, whole, sizeof whole) == 0)
            return &records[i];
    }
    abort();
}

/* Counts, and gives the number that the plan has for this passing; 0: none. */
static long number_for(const char *name)
{
    if (!is_armed)
        return 0;
    if (++total > TOO_MANY) {
        static const char line[] = "SPINNING: far more system calls than the scenario needs\n";
        syscall(SYS_write, 2, line, sizeof line - 1);
        abort();
    }
    struct seam_record *record = record_of(name);
    uint64_t passing = __atomic_add_fetch(&record->passed, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < plan_count; i++) {
        const struct plan *plan = &plans[i];
        bool is_meant = strcmp(plan->point, record->name) == 0 && passing >= plan->nth;
        if (is_meant && (plan->times == 0 || passing < plan->nth + plan->times)) {
            __atomic_add_fetch(&record->injected, 1, __ATOMIC_SEQ_CST);
            return plan->number;
        }
    }
    return 0;
}

static bool fails(const char *name)
{
    long number = number_for(name);
    if (number != 0)
        errno = (int)number;
    return number != 0;
}

/* ---- calls by number ------------------------------------------------------------------------------------------- */

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);

static const char *name_of(long number, long b)
{
    switch (number) {
    case SYS_clone: return "clone";
    case SYS_execveat: return "execveat";
    case SYS_pidfd_open: return "pidfd_open";
    case SYS_pidfd_send_signal: return "pidfd_send_signal";
    case SYS_epoll_pwait: return "epoll_pwait";
    case SYS_epoll_ctl: return b == EPOLL_CTL_ADD ? "epoll_ctl.add" : b == EPOLL_CTL_DEL ? "epoll_ctl.del" : "epoll_ctl.mod";
    case SYS_fcntl:
        return b == F_DUPFD_CLOEXEC ? "fcntl.dup" : b == F_SETFD ? "fcntl.setfd" : "fcntl.flags";
    case SYS_recvmsg: return "recvmsg";
    case SYS_sendmsg: return "sendmsg";
    case SYS_read: return "read";
    case SYS_write: return "write";
    case SYS_close: return "close";
    case SYS_bind: return "bind";
    case SYS_listen: return "listen";
    case SYS_ppoll: return "ppoll";
    case SYS_dup3: return "dup3";
    case SYS_rt_sigaction: return "rt_sigaction";
    case SYS_sched_getaffinity: return "sched_getaffinity";
    case SYS_statx: return "statx";
    case SYS_ioctl: return "ioctl";
    default: return "another";
    }
}

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (fails(name_of(number, b))) {
        /* A close that fails has closed all the same. */
        int error = errno;
        if (number == SYS_close)
            __real_syscall(number, a, b, c, d, e, f);
        errno = error;
        return -1;
    }
    long result = __real_syscall(number, a, b, c, d, e, f);
    if (number == SYS_clone && result == 0)
        is_child = true;
    return result;
}

/* ---- calls by function ----------------------------------------------------------------------------------------- */

#define WRAP(type, name, parameters, arguments)                                                                                    \
    type __real_##name parameters;                                                                                                 \
    type __wrap_##name parameters;                                                                                                 \
    type __wrap_##name parameters                                                                                                  \
    {                                                                                                                              \
        return fails(#name) ? (type)-1 : __real_##name arguments;                                                                  \
    }

/* Functions that give the error itself. */
#define WRAP_DIRECT(name, parameters, arguments)                                                                                   \
    int __real_##name parameters;                                                                                                  \
    int __wrap_##name parameters;                                                                                                  \
    int __wrap_##name parameters                                                                                                   \
    {                                                                                                                              \
        int before = errno;                                                                                                        \
        if (!fails(#name))                                                                                                         \
            return __real_##name arguments;                                                                                        \
        int error = errno;                                                                                                         \
        errno = before;                                                                                                            \
        return error;                                                                                                              \
    }

WRAP(int, epoll_create1, (int flags), (flags))
WRAP(int, eventfd, (unsigned count, int flags), (count, flags))
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(int, socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends))
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), (fd, level, name, value, size))
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size))
WRAP(int, getsockname, (int fd, void *address, socklen_t *size), (fd, address, size))
WRAP(int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(int, fstat64, (int fd, struct stat64 *status), (fd, status))
WRAP(int, sigaction, (int number, const struct sigaction *new, struct sigaction *old), (number, new, old))
WRAP(int, sigprocmask, (int how, const sigset_t *new, sigset_t *old), (how, new, old))
WRAP(int, sigpending, (sigset_t *set), (set))
WRAP(int, getrlimit, (int what, void *limit), (what, limit))
WRAP(int, setrlimit, (int what, const void *limit), (what, limit))
WRAP(pid_t, setsid, (void), ())
WRAP(int, fchdir, (int fd), (fd))
WRAP(int, kill, (pid_t pid, int number), (pid, number))
WRAP(int, prctl, (int what, long a, long b, long c, long d), (what, a, b, c, d))
WRAP(int, open, (const char *path, int flags, long mode), (path, flags, mode))
WRAP(int, open64, (const char *path, int flags, long mode), (path, flags, mode))
WRAP(ssize_t, readlink, (const char *path, char *buffer, size_t size), (path, buffer, size))
WRAP(int, stat64, (const char *path, struct stat64 *status), (path, status))
WRAP(int, sched_getaffinity, (pid_t pid, size_t size, void *set), (pid, size, set))
WRAP(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *time), (set, info, time))
WRAP(off64_t, lseek64, (int fd, off64_t place, int from), (fd, place, from))
WRAP(pid_t, getsid, (pid_t pid), (pid))
WRAP_DIRECT(pthread_sigmask, (int how, const sigset_t *new, sigset_t *old), (how, new, old))

void *__real_opendir(const char *path);
void *__wrap_opendir(const char *path);
void *__wrap_opendir(const char *path)
{
    return fails("opendir") ? NULL : __real_opendir(path);
}

struct dirent64 *__real_readdir64(DIR *folder);
struct dirent64 *__wrap_readdir64(DIR *folder);
struct dirent64 *__wrap_readdir64(DIR *folder)
{
    return fails("readdir64") ? NULL : __real_readdir64(folder);
}

int __real_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    if (left && number_for("clock_nanosleep") != 0) {
        *left = *time; /* interrupted at once: all of it is left */
        return EINTR;
    }
    return __real_clock_nanosleep(clock, flags, time, left);
}

char *__real_getcwd(char *buffer, size_t size);
char *__wrap_getcwd(char *buffer, size_t size);
char *__wrap_getcwd(char *buffer, size_t size)
{
    return fails("getcwd") ? NULL : __real_getcwd(buffer, size);
}

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    if (fails("fork"))
        return -1;
    pid_t pid = __real_fork();
    if (pid == 0 && is_armed)
        is_child = true;
    return pid;
}

/* ECHILD is true: the status is gone. */
pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    if (!fails("waitpid"))
        return __real_waitpid(pid, status, options);
    if (errno == ECHILD) {
        __real_waitpid(pid, NULL, options);
        errno = ECHILD;
    }
    return -1;
}

/* The same, of a process that has ended. */
int __real_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    long number = number_for("waitid");
    if (number == ECHILD) {
        siginfo_t gone = {0};
        if (__real_waitid(type, id, &gone, WEXITED | WNOHANG) != 0 || gone.si_pid != 0) {
            errno = ECHILD;
            return -1;
        }
        number = 0;
    }
    if (number != 0) {
        errno = (int)number;
        return -1;
    }
    return __real_waitid(type, id, info, options);
}

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    clock_jump_ms += number_for("clock");
    int result = __real_clock_gettime(clock, now);
    if (is_armed) {
        int64_t jump = clock_jump_ms;
        now->tv_sec += jump / 1000;
        now->tv_nsec += jump % 1000 * 1000000;
        if (now->tv_nsec >= 1000000000) {
            now->tv_nsec -= 1000000000;
            now->tv_sec++;
        }
    }
    return result;
}
