/*
 * What the assisted calls cost a busy server outside a drain: the worker's CPU time for a request.
 *
 * One worker answers requests that its own child sends one after another on a kept-alive connection. It takes turns: some
 * thousand requests through the C library's names, which are the assisted calls here, then as many through the C library's own
 * functions, as without this library. What both have in common, the kernel's work above all, cancels out.
 *
 *   cost [TURNS]
 */
#include "ecewo-cluster.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_A_TURN 5000

static const char request[] = "GET /items/42 HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"
                             "Connection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\nHello, world!";

static void die(const char *what)
{
    perror(what);
    _exit(3);
}

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct sockaddr_in home(void)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(cluster_get_port()),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* The client: a request, its whole answer, and again. */
static void ask_for_ever(void)
{
    struct sockaddr_in address = home();
    char room[sizeof answer];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    for (;;) {
        if (syscall(SYS_write, fd, request, sizeof request - 1) < 0)
            _exit(0);
        for (size_t got = 0; got < sizeof answer - 1;) {
            long size = syscall(SYS_read, fd, room, sizeof room);
            if (size <= 0)
                _exit(0);
            got += (size_t)size;
        }
    }
}

static void serve_assisted(int set, int fd)
{
    struct epoll_event event;
    char room[4096];
    if (epoll_wait(set, &event, 1, -1) != 1 || read(fd, room, sizeof room) <= 0 || write(fd, answer, sizeof answer - 1) < 0)
        die("assisted");
}

static int (*own_epoll_wait)(int, struct epoll_event *, int, int);
static ssize_t (*own_read)(int, void *, size_t);
static ssize_t (*own_write)(int, const void *, size_t);

static void find_own(void)
{
    *(void **)&own_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
    *(void **)&own_read = dlsym(RTLD_NEXT, "read");
    *(void **)&own_write = dlsym(RTLD_NEXT, "write");
    if (!own_epoll_wait || !own_read || !own_write || own_read == read)
        die("dlsym");
}

static void serve_plain(int set, int fd)
{
    struct epoll_event event;
    char room[4096];
    if (own_epoll_wait(set, &event, 1, -1) != 1 || own_read(fd, room, sizeof room) <= 0 ||
        own_write(fd, answer, sizeof answer - 1) < 0)
        die("plain");
}

static double turn(void (*serve)(int, int), int set, int fd)
{
    double before = cpu_ns();
    for (int i = 0; i < REQUESTS_A_TURN; i++)
        serve(set, fd);
    return (cpu_ns() - before) / REQUESTS_A_TURN;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

static void measure(int set, int fd, int rounds)
{
    double *assisted = calloc((size_t)rounds, sizeof *assisted), *plain = calloc((size_t)rounds, sizeof *plain);
    double *difference = calloc((size_t)rounds, sizeof *difference);
    if (!assisted || !plain || !difference)
        die("calloc");
    find_own();
    turn(serve_plain, set, fd);
    for (int i = 0; i < rounds; i++) {
        /* The order changes: whatever drifts is in neither's favour. */
        if (i % 2 == 0)
            assisted[i] = turn(serve_assisted, set, fd);
        plain[i] = turn(serve_plain, set, fd);
        if (i % 2 == 1)
            assisted[i] = turn(serve_assisted, set, fd);
        difference[i] = assisted[i] - plain[i];
    }
    double a = median(assisted, rounds), b = median(plain, rounds), d = median(difference, rounds);
    printf("CPU time of the worker for a request, medians of %d turns: %.0f ns plain, %.0f ns assisted; difference %.0f ns (%.2f %%)\n",
           rounds, b, a, d, 100 * d / b);
    fflush(stdout);
}

/* A port that nobody has at present; the worker finds the master's choice in its environment. */
static uint16_t free_port(void)
{
    const char *chosen = getenv("BENCH_PORT");
    if (chosen)
        return (uint16_t)atoi(chosen);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    char text[8];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, length) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        die("bind");
    close(fd);
    snprintf(text, sizeof text, "%u", (unsigned)ntohs(address.sin_port));
    setenv("BENCH_PORT", text, 1);
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    Cluster options = { .cpus = 1, .port = free_port() };
    if (cluster_init(&options, argc, argv)) {
        cluster_wait_workers();
        return 0;
    }
    if (!cluster_is_worker())
        return 1;
    struct sockaddr_in address = home();
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0)
        die("listen");
    pid_t client = fork();
    if (client == 0)
        ask_for_ever();
    int fd = accept(listener, NULL, NULL), set = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        die("accept");
    /* The library does not see what goes past it, which makes no difference to the cost: it counts what it sees. */
    measure(set, fd, argc > 1 ? atoi(argv[1]) : 101);
    kill(client, SIGKILL);
    waitpid(client, NULL, 0);
    return 0;
}
