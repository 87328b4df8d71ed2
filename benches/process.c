/*
 * What a cluster as a whole takes: to start, to answer first, to stop, to replace a dead worker; the master's memory, and whether it sleeps.
 * Started with the name of a part it is the one who measures; it starts itself again as the clustered program, whose workers answer each
 * request with their pid, one connection after the other.
 *
 *   process start|many|respawn|memory|idle
 */
#include "ecewo-cluster.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    fprintf(stderr, " (%s)\n", strerror(errno));
    va_end(list);
    exit(3);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct sockaddr_in home(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* ---- the clustered program: "serve" PORT WORKERS STARTUP_DELAY_MS RESPAWN_DELAY_MS -------------------------------------------- */

static void on_start(uint8_t id)
{
    (void)id;
    if (write(STDOUT_FILENO, "s\n", 2) != 2)
        _exit(3);
}

static void on_exit_of(uint8_t id, int status, bool is_crash)
{
    (void)id;
    (void)status;
    (void)is_crash;
    if (write(STDOUT_FILENO, "x\n", 2) != 2)
        _exit(3);
}

static void serve(void)
{
    struct sockaddr_in address = home(cluster_get_port());
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char room[4096], answer[256], body[32];
    int length = snprintf(body, sizeof body, "pid %d\n", (int)getpid());
    length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", length, body);
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0)
        die("listen");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && read(fd, room, sizeof room) > 0 && write(fd, answer, (size_t)length) < 0)
            die("write");
        if (fd >= 0)
            close(fd);
    }
}

static int clustered(int argc, char **argv)
{
    if (argc < 6)
        die("serve: too few arguments");
    Cluster options = { .cpus = (uint8_t)atoi(argv[3]),
                        .port = (uint16_t)atoi(argv[2]),
                        .respawn = true,
                        .worker_startup_delay_ms = (uint32_t)atoi(argv[4]),
                        .worker_respawn_delay_ms = (uint32_t)atoi(argv[5]),
                        .respawn_window_sec = 1,
                        .respawn_max_crashes = 255,
                        .on_start = on_start,
                        .on_exit = on_exit_of };
    double before = now_ms();
    bool is_master = cluster_init(&options, argc, argv);
    if (cluster_is_worker())
        serve();
    if (!is_master)
        return 1;
    char line[64];
    int length = snprintf(line, sizeof line, "ready %.3f\n", now_ms() - before);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        return 3;
    cluster_wait_workers();
    return 0;
}

/* ---- the one who measures: a cluster as its child ----------------------------------------------------------------------------- */

#define LIMIT_MS 60000

static pid_t master = 0;
static int from_master = -1;
static uint16_t port;
static double executed_at;
static int starts, exits; /* callbacks told of so far */
static double init_took;  /* 0: not ready yet */

static void end_master(void)
{
    if (master > 0)
        kill(master, SIGKILL); /* its workers end with it (contract 4.4) */
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = home(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, length) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        die("bind");
    close(fd);
    return ntohs(address.sin_port);
}

static void start(int workers, int startup_delay_ms, int respawn_delay_ms)
{
    char texts[4][16];
    int ends[2], quiet = getenv("BENCH_STDERR") ? STDERR_FILENO : open("/dev/null", O_WRONLY | O_CLOEXEC);
    port = free_port();
    snprintf(texts[0], sizeof texts[0], "%u", port);
    snprintf(texts[1], sizeof texts[1], "%d", workers);
    snprintf(texts[2], sizeof texts[2], "%d", startup_delay_ms);
    snprintf(texts[3], sizeof texts[3], "%d", respawn_delay_ms);
    if (pipe2(ends, O_CLOEXEC) != 0)
        die("pipe");
    executed_at = now_ms();
    master = vfork();
    if (master == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(quiet, STDERR_FILENO); /* where it tells of each crash */
        execl("/proc/self/exe", "process", "serve", texts[0], texts[1], texts[2], texts[3], (char *)NULL);
        _exit(127);
    }
    if (master < 0)
        die("vfork");
    close(ends[1]);
    if (quiet != STDERR_FILENO)
        close(quiet);
    from_master = ends[0];
    starts = exits = 0;
    init_took = 0;
}

static void hear(void)
{
    static char line[64];
    static size_t used = 0;
    struct pollfd news = { .fd = from_master, .events = POLLIN };
    char bytes[512];
    if (poll(&news, 1, LIMIT_MS) != 1)
        die("the master says nothing");
    ssize_t size = read(from_master, bytes, sizeof bytes);
    if (size <= 0)
        die("the master has ended");
    for (ssize_t i = 0; i < size; i++) {
        if (bytes[i] != '\n' && used < sizeof line - 1) {
            line[used++] = bytes[i];
            continue;
        }
        line[used] = '\0';
        used = 0;
        starts += strcmp(line, "s") == 0;
        exits += strcmp(line, "x") == 0;
        if (strncmp(line, "ready ", 6) == 0)
            init_took = strtod(line + 6, NULL);
    }
}

static void wait_ready(void)
{
    while (init_took == 0)
        hear();
}

static void stop(void)
{
    int status = 0;
    kill(master, SIGTERM);
    if (waitpid(master, &status, 0) != master || status != 0)
        die("the master ended with status %d", status);
    master = 0;
    close(from_master);
}

/* One request on a connection of its own. Gives the pid in the answer; 0 if there was none. */
static pid_t ask(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct sockaddr_in address = home(port);
    char answer[512];
    size_t used = 0;
    ssize_t size;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct linger at_once = { 1, 0 }; /* thousands of connections leave no TIME_WAIT behind */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
        while (used < sizeof answer - 1 && (size = read(fd, answer + used, sizeof answer - 1 - used)) > 0)
            used += (size_t)size;
    close(fd);
    answer[used] = '\0';
    const char *pid = strstr(answer, "\r\n\r\npid ");
    return pid ? atoi(pid + 8) : 0;
}

static pid_t ask_until_answered(void)
{
    double end = now_ms() + LIMIT_MS;
    pid_t pid;
    while ((pid = ask()) == 0) {
        if (now_ms() > end)
            die("no answer");
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    return pid;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(const char *what, double *values, int count, const char *target)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    printf("%-66s %8.1f %8.1f %8.1f ms  (%d times; aim: %s)\n", what, values[0], values[count / 2], values[count - 1], count, target);
    fflush(stdout);
}

/* ---- the parts ---------------------------------------------------------------------------------------------------------------- */

#define TIMES 30

static void measure_start(void)
{
    double first_answer[TIMES], init[TIMES];
    for (int i = 0; i < TIMES; i++) {
        start(4, 0, 0);
        ask_until_answered();
        first_answer[i] = now_ms() - executed_at;
        wait_ready();
        init[i] = init_took;
        stop();
    }
    tell("cluster_init for 4 workers, default delays", init, TIMES, "30 ms");
    tell("from exec to the first answer of the 4", first_answer, TIMES, "10 ms");
}

static void measure_many(int workers, int times, const char *target)
{
    double up[TIMES], down[TIMES];
    char what[80];
    for (int i = 0; i < times; i++) {
        start(workers, 1, 0);
        wait_ready();
        up[i] = now_ms() - executed_at;
        double before = now_ms();
        stop();
        down[i] = now_ms() - before;
    }
    snprintf(what, sizeof what, "from exec until %d workers listen, 1 ms apart", workers);
    tell(what, up, times, target);
    snprintf(what, sizeof what, "from SIGTERM to the end of all %d", workers);
    tell(what, down, times, target);
}

static void measure_respawn(int delay_ms)
{
    double took[TIMES];
    char what[80];
    start(1, 0, delay_ms);
    wait_ready();
    for (int i = 0; i < TIMES; i++) {
        pid_t old = ask_until_answered(), new;
        double before = now_ms();
        kill(old, SIGKILL);
        /* The first connections may still reach the dying one. */
        while ((new = ask()) == old || new == 0)
            ;
        took[i] = now_ms() - before;
    }
    stop();
    snprintf(what, sizeof what, "from a worker's death to its replacement's answer, delay %d ms", delay_ms);
    tell(what, took, TIMES, "delay + 10 ms");
}

static long memory_of_master(const char *field)
{
    char path[64], line[128];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)master);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = atol(line + strlen(field));
    if (file)
        fclose(file);
    return kib;
}

static void tell_memory(const char *when)
{
    printf("the master %-40s PSS %5ld KiB, of its own and written %5ld KiB  (aim: 500 KiB, no growth)\n", when,
           memory_of_master("Pss:"), memory_of_master("Private_Dirty:"));
    fflush(stdout);
}

static void crash(int times)
{
    for (int i = 0; i < times; i++) {
        int before = starts;
        kill(ask_until_answered(), SIGKILL);
        while (starts == before)
            hear();
    }
}

static void restart(int times)
{
    for (int i = 0; i < times; i++) {
        int before_starts = starts, before_exits = exits;
        kill(master, SIGUSR2);
        while (starts < before_starts + 2 || exits < before_exits + 2)
            hear();
    }
}

static void measure_memory(void)
{
    start(2, 1, 1);
    wait_ready();
    ask_until_answered();
    tell_memory("after the start of 2 workers:");
    crash(50);
    restart(5);
    tell_memory("after 50 crashes and 5 restarts:");
    crash(950);
    tell_memory("after 1,000 crashes:");
    restart(95);
    tell_memory("after 100 restarts more:");
    stop();
}

/* Nanoseconds on the processor, of all threads of the master. */
static unsigned long long time_on_processor(void)
{
    char path[300];
    unsigned long long sum = 0, ran;
    snprintf(path, sizeof path, "/proc/%d/task", (int)master);
    DIR *threads = opendir(path);
    for (struct dirent *entry; threads && (entry = readdir(threads)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)master, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file && fscanf(file, "%llu", &ran) == 1)
            sum += ran;
        if (file)
            fclose(file);
    }
    if (threads)
        closedir(threads);
    return sum;
}

static void measure_idle(void)
{
    start(4, 0, 0);
    wait_ready();
    ask_until_answered();
    sleep(3); /* a start has things to be done a second later */
    unsigned long long before = time_on_processor();
    if (before == 0)
        die("this kernel does not tell in /proc/<pid>/schedstat");
    sleep(10);
    printf("an idle master's time on the processor in 10 s: %llu ns of %llu ns so far  (aim: 0, for no system call)\n",
           time_on_processor() - before, before);
    stop();
}

int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";
    if (strcmp(part, "serve") == 0)
        return clustered(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    atexit(end_master);
    if (strcmp(part, "start") == 0) {
        measure_start();
    } else if (strcmp(part, "many") == 0) {
        measure_many(100, 10, "1 s");
        measure_many(255, 5, "2 s");
    } else if (strcmp(part, "respawn") == 0) {
        measure_respawn(100);
        measure_respawn(1);
    } else if (strcmp(part, "memory") == 0) {
        measure_memory();
    } else if (strcmp(part, "idle") == 0) {
        measure_idle();
    } else {
        fprintf(stderr, "usage: process start|many|respawn|memory|idle\n");
        return 2;
    }
    return 0;
}
