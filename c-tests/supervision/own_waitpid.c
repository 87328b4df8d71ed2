/* contract 3.7: a program that collects every child by itself, waitpid(-1) in a loop: the end of a worker is noticed all
   the same, as a crash with exit_status 255 and one [WARN] line (or, where the status can still be had, with it and
   none). The cluster goes on. */
#include "lab.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>

/* It may win the race for a status or lose it: so it goes on until it has won once. */
static void *collect_all(void *unused)
{
    (void)unused;
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid > 0)
            say("taken %d", (int)pid);
        else if (errno != ECHILD && errno != EINTR)
            return NULL;
    }
}

static void start_thread(uint8_t worker_id)
{
    static bool started = false;
    pthread_t thread;
    lab_on_start(worker_id);
    if (started)
        return;
    started = true;
    CHECK_INT(pthread_create(&thread, NULL, collect_all, NULL), ==, 0);
    pthread_detach(thread);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_max_crashes = 200,
                       .on_start = start_thread,
                       .on_exit = lab_on_exit};
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    int rounds = 0, taken = 0;
    while (taken == 0 && rounds < 100) {
        rounds++;
        lab_kill(a, 0, SIGKILL);
        app_wait_out_times(a, "event start 0", rounds + 1);
        taken = app_count_out(a, "taken");
    }
    printf("%d of %d ends were taken by the program\n", taken, rounds);
    CHECK_INT(taken, >, 0); /* else this test has tested nothing */
    int lost = app_count_out(a, "event exit 0 255 crash");
    app_expect_out_count(a, "event exit 0 137 crash", rounds - lost);
    app_expect_err_count(a, "[WARN]", lost);
    WAIT_UNTIL(app_count_out(a, "taken") >= lost);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s", rounds);
    CHECK_INT(app_worker_pid(a, 0), >, 1);

    kill(a->pid, SIGTERM);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}
