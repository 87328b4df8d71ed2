/* contract 4.4: it holds from before main on: workers that have not reached cluster_init, asleep in main, asleep in a
   constructor, or ignoring SIGTERM, do not outlive their master. */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TIMEOUT_MS 700

/* A constructor has no arguments: the way is in the environment. */
__attribute__((constructor)) static void sleep_in_constructor(void)
{
    const char *way = getenv("CT_WAY");
    if (way && strcmp(way, "constructor") == 0 && lab_worker_id() >= 0) {
        say("worker %d sleeps", lab_worker_id());
        lab_sleep_for_ever();
    }
}

static void on_start(uint8_t worker_id)
{
    worker_stats_t worker;
    cluster_get_worker_stats(worker_id, &worker);
    say("started %u as %d", worker_id, worker.pid);
}

int app_main(int argc, char **argv, const char *variant)
{
    if (lab_worker_id() >= 0) {
        if (strcmp(variant, "ignoring") == 0)
            signal(SIGTERM, SIG_IGN);
        say("worker %d sleeps", lab_worker_id());
        lab_sleep_for_ever();
    }
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .shutdown_timeout_ms = TIMEOUT_MS,
                       .on_start = on_start};
    return lab_main(&options, argc, argv, plain_worker);
}

static void kill_master_of(const char *way, int signal)
{
    static char entry[32];
    strcpy(entry, "CT_WAY=");
    strcat(entry, way);
    test_case(way);
    app *a = app_start(.variant = way, .env = (const char *const[]){entry, NULL});
    pid_t pids[2] = {0, 0};
    for (int id = 0; id < 2; id++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "started %d as ", id);
        pids[id] = (pid_t)atoi(app_wait_out(a, pattern) + strlen(pattern));
        snprintf(pattern, sizeof pattern, "worker %d sleeps", id);
        app_wait_out(a, pattern);
    }
    int64_t before = ct_now_ms();
    app_kill(a);
    for (int id = 0; id < 2; id++) {
        int status = lab_wait_orphan(pids[id]);
        CHECK(WIFSIGNALED(status));
        CHECK_INT(WTERMSIG(status), ==, signal);
    }
    if (signal == SIGKILL)
        CHECK_INT(ct_now_ms() - before, >=, TIMEOUT_MS - 2);
    app_expect_none_left(a);
}

void test_main(void)
{
    kill_master_of("main", SIGTERM);
    kill_master_of("constructor", SIGTERM);
    kill_master_of("ignoring", SIGKILL);
}
