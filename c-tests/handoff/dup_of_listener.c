/* contract 6.1, 6.2: a listener's duplicate is the listener: closing one of the two closes nothing, the other one goes on, and the queue
   outlives the worker. */
#include "rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 12

/* Which of the two is closed, and how the other is made, is the variant's. */
static const char *way;

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    int copy = strstr(way, "dup2") ? dup2(listener, 200) : strstr(way, "F_DUPFD") ? fcntl(listener, F_DUPFD_CLOEXEC, 100) : dup(listener);
    CHECK_INT(copy, >=, 0);
    if (strstr(way, "copy stays")) {
        CHECK_INT(close(listener), ==, 0);
        return rig_serve(&copy, 1);
    }
    CHECK_INT(close(copy), ==, 0);
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    way = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    int connections[CONNECTIONS];
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    for (int id = 0; id < atoi(variant); id++)
        rig_wait_listening(a, id, 1);
    app_wait_serving(a, atoi(variant));
    for (int round = 0; round < 2; round++) {
        pid_t old = app_worker_pid(a, 0);
        rig_stop_process(old);
        for (int i = 0; i < CONNECTIONS; i++) {
            connections[i] = rig_connect("127.0.0.1", a->port);
            CHECK_INT(connections[i], >=, 0);
            rig_send(connections[i], "/");
        }
        CHECK_INT(kill(old, SIGKILL), ==, 0);
        for (int i = 0; i < CONNECTIONS; i++) {
            char text[512];
            rig_answer(connections[i], text, sizeof text);
            close(connections[i]);
        }
        rig_wait_listening(a, 0, round + 2);
    }
    app_wait_serving(a, atoi(variant));
    app_stop(a);
}

void test_main(void)
{
    one("1 F_DUPFD, the original stays");
    one("1 dup, the original stays");
    one("1 dup2, the original stays");
    one("1 dup, the copy stays");
    one("2 dup, the original stays");
    one("2 dup, the copy stays");
}
