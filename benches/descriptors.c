/*
 * What a second thread costs a program's system calls, though it only sleeps: the processor time of a write to a socket and a read
 * from it, with one thread; with a second one that shares the descriptors; and with one that has a table of its own
 * (close_range with CLOSE_RANGE_UNSHARE), as the library's guard has.
 *
 *   descriptors [TURNS]
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_A_TURN 20000
#define MOST_TURNS 1001
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define UNSHARE 2u

enum { ALONE, SHARED, APART, WAYS };
static sem_t is_there;
static int way;

static void die(const char *what)
{
    perror(what);
    _exit(3);
}

static void *sleep_for_ever(void *unused)
{
    (void)unused;
    if (way == APART && syscall(SYS_close_range, 0u, ~0u, UNSHARE) != 0)
        die("close_range");
    sem_post(&is_there);
    for (;;)
        pause();
    return NULL;
}

static double turn_ns(const int ends[2])
{
    struct timespec before, after;
    char byte = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int i = 0; i < PAIRS_A_TURN; i++)
        if (write(ends[0], &byte, 1) != 1 || read(ends[1], &byte, 1) != 1)
            die("a turn");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double ns = (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
    return ns / (2.0 * PAIRS_A_TURN);
}

/* Takes a turn whenever it is asked to. */
static void serve(int orders, int results)
{
    int ends[2];
    char order;
    pthread_t thread;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || sem_init(&is_there, 0, 0) != 0)
        die("begin");
    if (way != ALONE && (pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0 || sem_wait(&is_there) != 0))
        die("thread");
    while (read(orders, &order, 1) == 1) {
        double ns = turn_ns(ends);
        if (write(results, &ns, sizeof ns) != sizeof ns)
            die("tell");
    }
    _exit(0);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static double found[WAYS][MOST_TURNS], more[WAYS][MOST_TURNS];
    static const char *const names[WAYS] = { "one thread", "a second one that shares the descriptors", "a second one with its own" };
    int turns = argc > 1 ? atoi(argv[1]) : 201, orders[WAYS][2], results[WAYS][2];
    if (turns < 1 || turns > MOST_TURNS)
        return 2;
    for (way = 0; way < WAYS; way++) {
        if (pipe(orders[way]) != 0 || pipe(results[way]) != 0)
            die("pipe");
        pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child == 0) {
            /* Orders end when their writer does, so no child may have another's. */
            for (int i = 0; i <= way; i++)
                close(orders[i][1]);
            serve(orders[way][0], results[way][1]);
        }
        close(orders[way][0]);
        close(results[way][1]);
    }
    for (int turn = 0; turn < turns; turn++)
        for (int i = 0; i < WAYS; i++) {
            int which = (turn + i) % WAYS;
            if (write(orders[which][1], "", 1) != 1 || read(results[which][0], &found[which][turn], sizeof(double)) != sizeof(double))
                die("turn");
        }
    for (int turn = 0; turn < turns; turn++)
        for (int i = 0; i < WAYS; i++)
            more[i][turn] = found[i][turn] - found[ALONE][turn];
    for (int i = 0; i < WAYS; i++)
        printf("%-42s %7.1f ns a system call, %+6.1f\n", names[i], median(found[i], turns), median(more[i], turns));
    for (int i = 0; i < WAYS; i++)
        close(orders[i][1]);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
