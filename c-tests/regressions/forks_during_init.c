/* contract 2.5, 3.4, 3.6: a thread of the program that forks all the time: its children hold copies of the library's descriptors
   for a while, or for as long as they live, so a pipe between the master and a new worker does not come to its end. Workers are
   ACTIVE all the same when their program runs: the start, a respawn and a restart go on. */
#include "lab.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_STAYING 60

static atomic_bool over = false;
static bool stay = false;
static pid_t staying[MOST_STAYING];
static int staying_count = 0;

static void collect(pid_t child)
{
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void *fork_always(void *unused)
{
    long forks = 0;
    while (!atomic_load(&over)) {
        pid_t child = stay && staying_count == MOST_STAYING ? -1 : fork();
        if (child == 0 && stay)
            lab_sleep_for_ever();
        if (child == 0)
            _exit(0);
        forks += child > 0;
        if (child > 0 && stay)
            staying[staying_count++] = child;
        else if (child > 0)
            collect(child);
        if (stay)
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    while (staying_count > 0) {
        kill(staying[--staying_count], SIGKILL);
        collect(staying[staying_count]);
    }
    say("%ld forks", forks);
    return unused;
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    pthread_t thread;
    stay = strcmp(variant, "children stay") == 0;
    if (lab_worker_id() >= 0)
        return lab_main(&options, argc, argv, plain_worker);
    control_start(NULL);
    CHECK_INT(pthread_create(&thread, NULL, fork_always, NULL), ==, 0);
    CHECK(cluster_init(&options, argc, argv));
    say("master ready");
    cluster_wait_workers();
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    return 0;
}

static void start_respawn_restart(const char *variant)
{
    test_case(variant);
    app *a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    lab_expect_events(a, "start 0; start 1; start 2");
    for (int id = 0; id < 3; id++)
        app_wait_status(a, id, WORKER_ACTIVE);
    lab_wait_listening(a, 3);
    pid_t old = lab_kill(a, 1, SIGKILL);
    lab_wait_new_pid(a, 1, old);
    app_wait_out_times(a, "worker 1 listening", 2);
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 2 143 graceful");
    lab_finish_restart(a);
    app_expect_err_count(a, "[ERROR]", 1); /* the crash */
    app_stop(a);
    app_wait_out(a, "re:^[1-9][0-9]* forks$");
}

void test_main(void)
{
    start_respawn_restart("children end");
    start_respawn_restart("children stay");
}
