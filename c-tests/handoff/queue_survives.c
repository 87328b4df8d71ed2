/* contract 6.1: connections that a worker has not accepted are answered by its successor: one that is stopped, one that is killed, the only
   one, and while the respawn is delayed. */
#include "rig.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 24

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = 800,
                       .worker_respawn_delay_ms = (uint32_t)atoi(strchr(variant, ' '))};
    return lab_main(&options, argc, argv, worker);
}

static int connections[CONNECTIONS];
static bool are_all_asked;

/* Half of them have asked already, the others ask when they are expected. */
static void queue_up(app *a)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(connections[i], >=, 0);
        if (i % 2 == 0)
            rig_send(connections[i], "/");
    }
}

static void expect_answers(pid_t not_by)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[512];
        int pid = 0;
        if (i % 2 != 0 && !are_all_asked)
            rig_send(connections[i], "/");
        rig_answer(connections[i], text, sizeof text);
        CHECK_INT(sscanf(strstr(text, "\r\n\r\n"), "\r\n\r\nworker %*d pid %d", &pid), ==, 1);
        CHECK_INT(pid, !=, not_by);
        close(connections[i]);
    }
}

static app *start(const char *name, const char *variant)
{
    test_case(name);
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    for (int id = 0; id < atoi(variant); id++)
        rig_wait_listening(a, id, 1);
    return a;
}

static void killed(const char *name, const char *variant)
{
    app *a = start(name, variant);
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    queue_up(a);
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    expect_answers(old);
    app_expect_err_count(a, "[ERROR]", 1); /* the kill itself */
    app_stop(a);
}

/* In a restart the old worker is stopped: it cannot even be told to drain. */
static void replaced(const char *name, const char *variant)
{
    app *a = start(name, variant);
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    queue_up(a);
    /* Of two, one drains: what has not asked when its 800 ms are over is cut, rightly. */
    are_all_asked = atoi(variant) == 2;
    for (int i = 1; are_all_asked && i < CONNECTIONS; i += 2)
        rig_send(connections[i], "/");
    app_ctl(a, "restart");
    expect_answers(old);
    WAIT_UNTIL(!proc_alive(old));
    lab_finish_restart(a);
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}

/* A connection that comes when there is no worker at all waits, too. */
static void vacant(void)
{
    app *a = start("nobody there", "1 6000");
    pid_t old = app_worker_pid(a, 0);
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    WAIT_UNTIL(!proc_alive(old));
    queue_up(a);
    app_wait_status(a, 0, WORKER_RESPAWNING);
    expect_answers(old);
    app_stop(a);
}

void test_main(void)
{
    killed("the only worker, killed", "1 1");
    killed("one of two, killed", "2 1");
    killed("the only worker, killed, a long delay", "1 2000");
    killed("one of two, killed, a long delay", "2 2000");
    vacant();
    replaced("the only worker, replaced", "1 1");
    replaced("one of two, replaced", "2 1");
}
