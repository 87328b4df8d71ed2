/* contract 6.6: ECEWO_CLUSTER_HANDOFF=off: nothing is kept, a killed worker's queue is reset; readiness and restarts work as ever, and a
   worker has no descriptors but those of readiness. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 12

static void count_descriptors(const char *query, char *body, size_t size)
{
    (void)query;
    snprintf(body, size, "descriptors %d", rig_open_descriptors());
}

static int worker(void)
{
    /* Of the library's: the channel and a pidfd of the master. */
    CHECK_INT(rig_open_descriptors(), ==, 3 + 2);
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    rig_route("/descriptors", count_descriptors);
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = 20000};
    return lab_main(&options, argc, argv, worker);
}

static app *start(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true, .env = (const char *const[]){"ECEWO_CLUSTER_HANDOFF=off", NULL});
    app_wait_out(a, "master ready");
    for (int id = 0; id < atoi(variant); id++)
        rig_wait_listening(a, id, 1);
    return a;
}

void test_main(void)
{
    int connections[CONNECTIONS];
    char text[512];
    app *a = start("1");
    char known[256];
    snprintf(known, sizeof known, "%s", strstr(rig_get("127.0.0.1", a->port, "/cookies"), "cookies"));
    /* Three standard streams, two of the library's, the listener, the epoll set, this connection. */
    CHECK_STR(rig_get("127.0.0.1", a->port, "/descriptors"), "descriptors 8");
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(connections[i], >=, 0);
        rig_send(connections[i], "/");
    }
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        CHECK_STR(rig_outcome(connections[i], CT_WAIT_MS, text, sizeof text), "reset");
        close(connections[i]);
    }
    rig_wait_listening(a, 0, 2);
    CHECK(strcmp(strstr(rig_get("127.0.0.1", a->port, "/cookies"), "cookies"), known) != 0);
    /* The old one is told to stop at once: nobody waits for its idle connection. */
    int idle = rig_connect("127.0.0.1", a->port);
    rig_send(idle, "/");
    rig_answer(idle, text, sizeof text);
    int64_t before = ct_now_ms();
    rig_restart(a);
    CHECK_INT(ct_now_ms() - before, <, 8000);
    CHECK(rig_ends(idle, CT_WAIT_MS));
    close(idle);
    app_stop(a);

    app *b = start("2");
    for (int i = 0; i < 2; i++) {
        rig_restart(b);
        app_wait_serving(b, 2);
        rig_crash(b, i);
        app_wait_serving(b, 2);
    }
    app_stop(b);
}
