/* contract 6.1: the queue of a slot that has ended outlives the worker that was to serve it, too: if that one is replaced before it has (here
   it hangs), its replacement serves the queue, and if it crashes, another worker does. */
#include "rig.h"

#include <string.h>
#include <unistd.h>

#define CONNECTIONS 24

static const char *way;

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    way = variant;
    Cluster options = {.cpus = strcmp(way, "replaced") == 0 ? 2 : 3, .port = app_port(argv), .shutdown_timeout_ms = 1000, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    int connections[CONNECTIONS], lost = 0;
    char text[512];
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true);
    bool is_replaced = strcmp(variant, "replaced") == 0;
    int workers = is_replaced ? 2 : 3;
    app_wait_out(a, "master ready");
    for (int id = 0; id < workers; id++)
        rig_wait_listening(a, id, 1);
    pid_t heir = app_worker_pid(a, 0), ended = app_worker_pid(a, 1);
    rig_stop_process(heir);
    rig_stop_process(ended);
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(connections[i], >=, 0);
        rig_send(connections[i], "/");
    }
    CHECK_INT(kill(ended, SIGKILL), ==, 0);
    app_wait_out(a, "event exit 1 137 crash"); /* the heir has been told by now, and does not hear */
    if (is_replaced)
        app_ctl(a, "restart");
    else
        CHECK_INT(kill(heir, SIGKILL), ==, 0);
    app_wait_out(a, is_replaced ? "event exit 0 137 graceful" : "event exit 0 137 crash");
    for (int i = 0; i < CONNECTIONS; i++) {
        lost += strcmp(rig_outcome(connections[i], CT_WAIT_MS, text, sizeof text), "answered") != 0;
        close(connections[i]);
    }
    CHECK_INT(lost, ==, 0);
    /* A restart fills the empty slot, too. The queue itself is gone in the end. */
    WAIT_UNTIL(proc_listeners(a->port) == (is_replaced ? 2 : 1));
    app_stop(a);
}

void test_main(void)
{
    one("replaced");
    one("crashed");
}
