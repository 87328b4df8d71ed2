/* contract 6.1: one of several workers closes its listener on the cluster's port and goes on running: everybody is answered by the others,
   also who has been waiting in its queue. It may listen again. */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 60

static int listeners[2] = {-1, -1};

/* The first worker does nothing but wait for gates: so its queue fills. */
static int worker(void)
{
    listeners[0] = rig_listen("0.0.0.0", cluster_get_port(), 0);
    if (cluster_worker_id() != 0)
        return rig_serve(listeners, 1);
    say("worker 0 listening");
    gate_wait("close");
    CHECK_INT(close(listeners[0]), ==, 0);
    say("worker 0 has closed");
    gate_wait("again");
    listeners[0] = rig_listen("0.0.0.0", cluster_get_port(), 0);
    return rig_serve(listeners, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    (void)variant;
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    int connections[CONNECTIONS], waiting = 0;
    app *a = app_start(.control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    for (int id = 0; id < 3; id++)
        rig_wait_listening(a, id, 1);
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(connections[i], >=, 0);
        rig_send(connections[i], "/");
    }
    gate_open("close");
    app_wait_out(a, "worker 0 has closed");
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[512];
        waiting += !rig_readable(connections[i], 0);
        rig_answer(connections[i], text, sizeof text);
        close(connections[i]);
    }
    printf("%d were waiting\n", waiting);
    for (int i = 0; i < CONNECTIONS; i++) {
        int worker = -1;
        CHECK_INT(sscanf(rig_get("127.0.0.1", a->port, "/"), "worker %d", &worker), ==, 1);
        CHECK_INT(worker, !=, 0);
    }
    gate_open("again");
    rig_wait_listening(a, 0, 2);
    app_wait_serving(a, 3);
    app_stop(a);
}
