/* The part of every test server that has to do with the cluster, and its sockets; see zl.h. */
#include "zl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BACKLOG 4096

/* ---- sockets ----------------------------------------------------------------------------------------------------- */

static int listen_at(const char *address, uint16_t port, bool reuseport, bool v6_only, bool non_blocking,
                     void (*created)(int fd))
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } where;
    memset(&where, 0, sizeof where);
    bool v6 = strchr(address, ':') != NULL;
    if (v6) {
        where.v6.sin6_family = AF_INET6;
        where.v6.sin6_port = htons(port);
        inet_pton(AF_INET6, address, &where.v6.sin6_addr);
    } else {
        where.v4.sin_family = AF_INET;
        where.v4.sin_port = htons(port);
        inet_pton(AF_INET, address, &where.v4.sin_addr);
    }
    int one = 1, only = v6_only;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0), 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (reuseport)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    if (created)
        created(fd);
    if (bind(fd, &where.any, v6 ? sizeof where.v6 : sizeof where.v4) != 0 || listen(fd, BACKLOG) != 0) {
        zl_say(2, "worker %u cannot listen on %s port %u: %s\n", cluster_worker_id(), address, port, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

int zl_listen(const struct zl_options *options, bool non_blocking, void (*created)(int fd), int fds[ZL_MAX_LISTENERS])
{
    uint16_t port = cluster_get_port(), own = (uint16_t)(port + 2 + cluster_worker_id());
    bool reuse = options->reuseport;
    int count = 1;
    if (options->listen_elsewhere) {
        fds[0] = listen_at("127.0.0.1", 0, false, false, non_blocking, created);
    } else if (options->multi) {
        count = 5;
        fds[0] = listen_at("0.0.0.0", port, reuse, false, non_blocking, created);
        fds[1] = listen_at("::", port, reuse, true, non_blocking, created);
        fds[2] = listen_at("::", (uint16_t)(port + 1), true, false, non_blocking, created);
        fds[3] = listen_at("0.0.0.0", own, false, false, non_blocking, created);
        fds[4] = listen_at("127.0.0.2", port, reuse, false, non_blocking, created);
    } else {
        fds[0] = listen_at("0.0.0.0", port, reuse, false, non_blocking, created);
    }
    for (int i = 0; i < count; i++)
        if (fds[i] < 0)
            return -1;
    return count;
}

int zl_accept(const struct zl_options *options, int listener, bool non_blocking)
{
    int fd, one = 1;
    if (options->accept4) {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0));
    } else {
        fd = accept(listener, NULL, NULL);
        if (fd >= 0 && non_blocking && ioctl(fd, FIONBIO, &one) != 0)
            return close(fd), -1;
    }
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

long zl_write_some(const struct zl_options *options, int fd, const char *bytes, size_t size)
{
    /* Two buffers, as a server has that keeps head and body apart. */
    size_t first = size < 100 ? size / 2 : 100;
    struct iovec two[2] = { { (void *)bytes, first }, { (void *)(bytes + first), size - first } };
    struct msghdr message = { .msg_iov = two, .msg_iovlen = 2 };
    switch (options->write) {
    case ZL_WRITEV:
        return writev(fd, two, 2);
    case ZL_SEND:
        return send(fd, bytes, size, MSG_NOSIGNAL);
    case ZL_SENDMSG:
        return sendmsg(fd, &message, MSG_NOSIGNAL);
    case ZL_WRITE:
    default:
        return write(fd, bytes, size);
    }
}

/* ---- the master -------------------------------------------------------------------------------------------------- */

static int pid_of(uint8_t id)
{
    worker_stats_t worker;
    return cluster_get_worker_stats(id, &worker) ? worker.pid : 0;
}

static void on_start(uint8_t id)
{
    zl_say(1, "start %u %d\n", id, pid_of(id));
}

static void on_exit_of(uint8_t id, int status, bool is_crash)
{
    zl_say(1, "exit %u %d %d\n", id, status, is_crash);
}

/* SIGUSR1: says how the cluster is. A real program would not print in a handler; this one has nobody else to ask. */
static void on_sigusr1(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    cluster_stats_t stats;
    static worker_stats_t workers[255];
    char line[4096];
    if (cluster_get_stats(&stats)) {
        int count = cluster_get_all_workers(workers, 255);
        int used = snprintf(line, sizeof line, "stats %u %d %d %llu", stats.active_workers, stats.restart_requested,
                            stats.shutdown_requested, (unsigned long long)stats.total_restarts);
        for (int i = 0; i < count && used < 4000; i++)
            used += snprintf(line + used, sizeof line - (size_t)used, " %d", workers[i].pid);
        zl_say(1, "%s\n", line);
    }
    errno = saved;
}

/* What a bad deploy does: the file named in the environment says it. */
static void bad_deploy(struct zl_options *options)
{
    const char *path = getenv("ZERO_LOSS_MODE_FILE");
    FILE *file = path ? fopen(path, "r") : NULL;
    char mode[20] = "";
    if (!file)
        return;
    if (fscanf(file, "%19s", mode) != 1)
        mode[0] = '\0';
    fclose(file);
    if (strcmp(mode, "exit") == 0)
        exit(3);
    if (strcmp(mode, "crash") == 0)
        abort();
    while (strcmp(mode, "hang") == 0)
        pause();
    options->listen_elsewhere = strcmp(mode, "elsewhere") == 0;
}

static int choice(const char *value, const char *const names[], int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    zl_say(2, "unknown value: %s\n", value);
    exit(2);
}

static bool yes(const char *value)
{
    return choice(value, (const char *const[]){ "no", "yes" }, 2) == 1;
}

static void read_options(struct zl_options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        size_t size = value ? (size_t)(value++ - argv[i]) : 0;
#define IS(name) (size == sizeof(name) - 1 && strncmp(argv[i], name, size) == 0)
        if (IS("port"))
            options->port = (uint16_t)atoi(value);
        else if (IS("workers"))
            options->workers = (uint8_t)atoi(value);
        else if (IS("shutdown"))
            options->shutdown_ms = (uint32_t)atoi(value);
        else if (IS("sigterm"))
            options->sigterm = choice(value, (const char *const[]){ "drain", "drain-shutdown", "die" }, 3);
        else if (IS("write"))
            options->write = choice(value, (const char *const[]){ "write", "writev", "send", "sendmsg" }, 4);
        else if (IS("reuseport"))
            options->reuseport = yes(value);
        else if (IS("accept4"))
            options->accept4 = yes(value);
        else if (IS("connection-header"))
            options->connection_header = yes(value);
        else if (IS("respawn"))
            options->respawn = yes(value);
        else if (IS("respawn-delay"))
            options->respawn_delay_ms = (uint32_t)atoi(value);
        else if (IS("crash-window"))
            options->crash_window_sec = (uint32_t)atoi(value);
        else if (IS("http10"))
            options->http10 = yes(value);
        else if (IS("multi"))
            options->multi = yes(value);
        else if (IS("eof"))
            options->eof_finishes = choice(value, (const char *const[]){ "abort", "finish" }, 2);
        else if (IS("prefork"))
            options->prefork_epoll = choice(value, (const char *const[]){ "blocking", "epoll" }, 2);
        else {
            zl_say(2, "unknown argument: %s\n", argv[i]);
            exit(2);
        }
#undef IS
    }
}

int main(int argc, char **argv)
{
    struct zl_options options = { .workers = 2,
                                  .shutdown_ms = 5000,
                                  .reuseport = true,
                                  .accept4 = true,
                                  .connection_header = true,
                                  .respawn = true };
    read_options(&options, argc, argv);
    if (!getenv("ECEWO_WORKER_ID")) {
        /* Nothing outlives the test. Workers end with their master by themselves. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    struct rlimit no_core = { 0, 0 }, files;
    setrlimit(RLIMIT_CORE, &no_core);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 8192 && files.rlim_max >= 8192) {
        files.rlim_cur = 8192;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    Cluster cluster = { .cpus = options.workers,
                        .port = options.port,
                        .respawn = options.respawn,
                        .shutdown_timeout_ms = options.shutdown_ms,
                        .worker_respawn_delay_ms = options.respawn_delay_ms,
                        .respawn_window_sec = options.crash_window_sec,
                        .respawn_max_crashes = 250,
                        .on_start = on_start,
                        .on_exit = on_exit_of };
    if (cluster_init(&cluster, argc, argv)) {
        struct sigaction action = { .sa_handler = on_sigusr1, .sa_flags = SA_RESTART };
        sigaction(SIGUSR1, &action, NULL);
        zl_say(1, "ready\n");
        cluster_wait_workers();
        zl_say(1, "end\n");
        return 0;
    }
    if (!cluster_is_worker())
        return 1;
    bad_deploy(&options);
    signal(SIGPIPE, SIG_IGN);
    return zl_serve(&options);
}
