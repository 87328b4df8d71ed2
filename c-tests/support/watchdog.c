/*
 * The watchdog: a process beside the driver that cleans up when the driver cannot. It kills the processes of the test (exactly those
 * that carry its marker) when the driver hangs or has died, for example by ctest's own time limit or by Ctrl+C.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int to_watchdog = -1;
static pid_t watchdog = -1;

/* 0 tells it to end; another number is the time that the test still has, in seconds. */
static void watch(int from_driver, pid_t driver, int seconds)
{
    int64_t end = ct_now_ms() + (int64_t)seconds * 1000;
    struct pollfd waiting = {.fd = from_driver, .events = POLLIN};
    for (;;) {
        int64_t left = end - ct_now_ms();
        int ready = left <= 0 ? 0 : poll(&waiting, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0) {
            fprintf(stderr, "FAILED: the test's driver hangs; it and its processes are killed\n");
            kill(driver, SIGKILL);
            break;
        }
        int order = 0;
        if (read(from_driver, &order, sizeof order) != sizeof order) {
            fprintf(stderr, "FAILED: the test's driver ended without its checks; its processes are killed\n");
            break;
        }
        if (order == 0)
            _exit(0);
        end = ct_now_ms() + (int64_t)order * 1000;
    }
    ct_kill_marked(ct_marker_prefix);
    ct_remove_temp_folders();
    _exit(1);
}

void ct_watchdog_start(int seconds)
{
    int ends[2];
    pid_t driver = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0 || (watchdog = fork()) < 0) {
        perror("harness: watchdog");
        exit(1);
    }
    if (watchdog == 0) {
        /* Ctrl+C reaches the whole group: the watchdog must survive it to clean up. */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        close(ends[1]);
        watch(ends[0], driver, seconds);
    }
    close(ends[0]);
    to_watchdog = ends[1];
}

void ct_watchdog_limit(int seconds)
{
    if (to_watchdog >= 0 && write(to_watchdog, &seconds, sizeof seconds) != sizeof seconds)
        perror("harness: watchdog");
}

void ct_watchdog_end(void)
{
    if (to_watchdog < 0)
        return;
    ct_watchdog_limit(0);
    close(to_watchdog);
    to_watchdog = -1;
    waitpid(watchdog, NULL, 0);
}
