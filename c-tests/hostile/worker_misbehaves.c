/* contract 7.3, 4.1, 5.3: a worker that forks children which keep its channel, goes to the background, changes its user, blocks SIGTERM, or stops
   itself: the other one serves all the time, a restart replaces what is there to be replaced, and the master stops when it is told to. */
#include "lab.h"
#include "server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void be(const char *kind, char *body, size_t size)
{
    pid_t child = 0;
    if (strcmp(kind, "forks") == 0) {
        child = fork();
        while (child == 0) /* the driver ends it */
            pause();
    } else if (strcmp(kind, "background") == 0) {
        child = fork();
        if (child != 0)
            _exit(0);
        setsid();
        for (;;) /* the driver ends it */
            pause();
    } else if (strcmp(kind, "user") == 0) {
        CHECK_INT(setuid(65534), ==, 0);
    } else if (strcmp(kind, "block") == 0) {
        sigset_t all;
        sigfillset(&all);
        signal(SIGTERM, SIG_IGN);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
    } else if (strcmp(kind, "stop") == 0) {
        raise(SIGSTOP);
    }
    snprintf(body, size, "worker %u pid %d child %d", cluster_worker_id(), (int)getpid(), (int)child);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10,
                       .shutdown_timeout_ms = 1000, .respawn_max_crashes = 100};
    server_route("/be", be);
    return app_serve(&options, argc, argv);
}

static http_answer order(app *a, const char *kind, int64_t ms)
{
    char path[64];
    test_case(kind);
    snprintf(path, sizeof path, "/be?%s", kind);
    int connection = http_open_worker(a->port, 1);
    http_answer answer = http_request(connection, path, ms);
    close(connection);
    return answer;
}

/* A restart replaces both; the old ones are gone afterwards. */
static void restarts(app *a)
{
    pid_t old[2] = {app_worker_pid(a, 0), app_worker_pid(a, 1)};
    app_ctl(a, "restart");
    for (int id = 0; id < 2; id++) {
        app_wait_new_pid(a, id, old[id]);
        WAIT_UNTIL(!proc_alive(old[id]));
    }
    WAIT_UNTIL(strstr(app_ctl(a, "stats"), "restart=0") != NULL);
    app_wait_serving(a, 2);
}

static pid_t child_in(const http_answer *answer)
{
    const char *found = strstr(answer->body, "child ");
    CHECK(found != NULL);
    return (pid_t)atoi(found + 6);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);

    http_answer answer = order(a, "forks", CT_WAIT_MS);
    pid_t child = child_in(&answer), old = app_worker_pid(a, 1);
    kill(old, SIGKILL);
    app_wait_new_pid(a, 1, old);
    app_wait_serving(a, 2);
    CHECK(proc_alive(child));
    restarts(a);
    kill(child, SIGKILL);
    WAIT_UNTIL(!proc_alive(child));

    if (geteuid() == 0) {
        order(a, "user", CT_WAIT_MS);
        app_wait_serving(a, 2);
        restarts(a);
    } else {
        say("NOT CHECKED: a worker that changes its user, for that takes root");
    }

    order(a, "block", CT_WAIT_MS);
    app_wait_serving(a, 2);
    restarts(a); /* it is killed when its time is over */

    pid_t stopped = app_worker_pid(a, 1), other = app_worker_pid(a, 0);
    order(a, "stop", 300);
    WAIT_UNTIL(proc_state(stopped) == 'T');
    CHECK_INT(app_worker_pid(a, 0), ==, other);
    restarts(a);

    /* It leaves a process behind that is no worker any more: its slot has ended gracefully, and stays empty. */
    pid_t gone = app_worker_pid(a, 1);
    order(a, "background", 300); /* nobody answers: that process keeps the connection */
    WAIT_UNTIL(!proc_alive(gone));
    app_wait_status(a, 1, WORKER_STOPPING);
    pid_t all[16];
    int count = app_processes(a, all, 16);
    for (int i = 0; i < count; i++)
        if (all[i] != a->pid && all[i] != app_worker_pid(a, 0))
            kill(all[i], SIGKILL);
    WAIT_UNTIL(app_processes(a, all, 16) == 2);
    /* Only now: clients that the kernel sends to the socket that it held have to wait until it is closed. */
    CHECK_INT(http_get(a->port, "/").worker, ==, 0);
    app_stop(a);
}
