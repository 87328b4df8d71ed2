/* contract 7.2: the program of the fault matrix: a cluster of two workers that is started, loses a worker, restarts, is signalled and stopped,
 * while system calls of its master fail. See seam.h, and load/src/bin/fault-matrix.rs, which runs it. Arguments: port, milliseconds for a step.
 *
 * It prints "step NAME ok" or "step NAME late" for each step, "wait returned", and at the end either "end ..." with what is left of the cluster
 * in this process, or "init failed ..." with the same. Exit codes: 0, 3 if cluster_init failed, 9 if the master does not stop. */
#include "ecewo-cluster.h"
#include "seam.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 2, SHUTDOWN_MS = 1000, LONGEST_STOP_MS = 8000 };

static uint16_t port;
static int step_ms;
static atomic_bool init_is_over, wait_is_over;

static void say(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(1, line, (size_t)size) != size)
        _exit(8);
}

/* ---- a worker --------------------------------------------------------------------------------------------------- */

static void on_sigusr1(int number)
{
    (void)number;
}

static int serve(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(cluster_get_port()), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGUSR1, on_sigusr1);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0 || listen(listener, 64) != 0)
        return 4;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        char byte;
        if (connection < 0)
            continue;
        if (read(connection, &byte, 1) == 1 && write(connection, &byte, 1) < 0)
            return 5;
        close(connection);
    }
}

/* ---- what happens to the master --------------------------------------------------------------------------------- */

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static bool is_served(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_usec = 300000};
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte = 'x';
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* for connect, too */
    bool served = connect(connection, (struct sockaddr *)&name, sizeof name) == 0 && send(connection, &byte, 1, MSG_NOSIGNAL) == 1 &&
                  recv(connection, &byte, 1, 0) == 1;
    close(connection);
    return served;
}

static cluster_stats_t stats(void)
{
    cluster_stats_t now;
    memset(&now, 0, sizeof now);
    cluster_get_stats(&now);
    return now;
}

static uint64_t restarts_before;

static bool is_up(void)
{
    return stats().active_workers == WORKERS && is_served();
}

static bool is_replaced(void)
{
    return stats().total_restarts > restarts_before && is_up();
}

static bool is_restarted(void)
{
    return !stats().restart_requested && is_up();
}

static void step(const char *name, bool (*done)(void))
{
    long limit = now_ms() + step_ms;
    bool is_done;
    while (!(is_done = done()) && now_ms() < limit && !wait_is_over)
        pause_ms(2);
    cluster_stats_t now = stats();
    say("step %s %s active %u restarts %llu\n", name, is_done ? "ok" : "late", now.active_workers, (unsigned long long)now.total_restarts);
}

static void *events(void *unused)
{
    (void)unused;
    worker_stats_t worker;
    while (!init_is_over)
        pause_ms(1);
    step("start", is_up);
    restarts_before = stats().total_restarts;
    if (cluster_get_worker_stats(0, &worker) == 1 && worker.pid > 0)
        kill(worker.pid, SIGKILL);
    step("respawn", is_replaced);
    cluster_graceful_restart();
    step("restart", is_restarted);
    cluster_signal_workers(SIGUSR1);
    step("signal", is_up);
    if (wait_is_over)
        say("wait returned before it was told to\n");
    long begin = now_ms();
    kill(getpid(), SIGTERM);
    while (!wait_is_over && now_ms() < begin + LONGEST_STOP_MS)
        pause_ms(2);
    if (!wait_is_over) {
        say("the master does not stop\n");
        _exit(9);
    }
    say("stopped after %ld ms\n", now_ms() - begin);
    return NULL;
}

/* ---- what is left afterwards ------------------------------------------------------------------------------------ */

static int open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* -1: no child; otherwise one that is still there, or a zombie. */
static int a_child(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    return pid < 0 ? -1 : (int)pid;
}

static long cpu_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static bool is_default(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    port = (uint16_t)atoi(argv[1]);
    step_ms = atoi(argv[2]);
    Cluster options = {.cpus = WORKERS, .port = port, .respawn = true, .worker_respawn_delay_ms = 10, .shutdown_timeout_ms = SHUTDOWN_MS,
                       .respawn_max_crashes = 100};
    if (getenv("ECEWO_WORKER_ID"))
        return cluster_init(&options, argc, argv) ? 7 : serve();

    pthread_t thread;
    struct rlimit before, after;
    getrlimit(RLIMIT_NOFILE, &before);
    int descriptors = open_descriptors();
    /* A signal that interrupts system calls: the driver sends many. */
    struct sigaction interrupts = {.sa_handler = on_sigusr1};
    sigaction(SIGURG, &interrupts, NULL);
    if (pthread_create(&thread, NULL, events, NULL) != 0)
        return 6;
    seam_arm();
    bool is_master = cluster_init(&options, argc, argv);
    if (is_master) {
        seam_init_is_over();
        init_is_over = true;
        cluster_wait_workers();
        wait_is_over = true;
    }
    uint64_t calls = seam_disarm();
    if (is_master)
        pthread_join(thread, NULL);
    getrlimit(RLIMIT_NOFILE, &after);
    say("%s calls %llu cpu_ms %ld descriptors %d child %d dispositions %d limit %d roles %d\n", is_master ? "end" : "init failed",
        (unsigned long long)calls, cpu_ms(), open_descriptors() - descriptors, a_child(), is_default(SIGTERM) && is_default(SIGUSR2),
        before.rlim_cur == after.rlim_cur, cluster_is_master() || cluster_is_worker() || cluster_get_port() != 0);
    return is_master ? 0 : 3;
}
