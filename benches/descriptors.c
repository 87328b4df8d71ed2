/*
 * What a second thread costs a program's system calls, though it only sleeps: the processor time of a write to a socket and a read
 * from it, with one thread; with a second one that shares the descriptors; and when that has taken a table of its own
 * (close_range with CLOSE_RANGE_UNSHARE), as the library's guard does. All in one process, again and again: where its sockets lie
 * in memory matters more than what is measured.
 *
 *   descriptors [TURNS]
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_A_TURN 20000
#define MOST_TURNS 1001
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define UNSHARE 2u

enum { ALONE, SHARED, APART, WAYS };
static sem_t is_next, is_done;

static void die(const char *what)
{
    perror(what);
    _exit(3);
}

static void *sleeper(void *unused)
{
    (void)unused;
    sem_post(&is_done);
    sem_wait(&is_next);
    if (syscall(SYS_close_range, 0u, ~0u, UNSHARE) != 0)
        die("close_range");
    sem_post(&is_done);
    sem_wait(&is_next);
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
    int turns = argc > 1 ? atoi(argv[1]) : 201, ends[2];
    if (turns < 1 || turns > MOST_TURNS)
        return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || sem_init(&is_next, 0, 0) != 0 || sem_init(&is_done, 0, 0) != 0)
        die("begin");
    for (int turn = 0; turn < turns; turn++) {
        pthread_t thread;
        found[ALONE][turn] = turn_ns(ends);
        if (pthread_create(&thread, NULL, sleeper, NULL) != 0)
            die("thread");
        sem_wait(&is_done);
        found[SHARED][turn] = turn_ns(ends);
        sem_post(&is_next);
        sem_wait(&is_done);
        found[APART][turn] = turn_ns(ends);
        sem_post(&is_next);
        pthread_join(thread, NULL);
    }
    for (int turn = 0; turn < turns; turn++)
        for (int i = 0; i < WAYS; i++)
            more[i][turn] = found[i][turn] - found[ALONE][turn];
    for (int i = 0; i < WAYS; i++)
        printf("%-42s %7.1f ns a system call, %+6.1f\n", names[i], median(found[i], turns), median(more[i], turns));
    return 0;
}
