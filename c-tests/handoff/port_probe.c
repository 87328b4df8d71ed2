/* contract 6.1, 6.2: a program that binds and closes to see whether its port is free, and then binds again to listen, gets its
   predecessor's queue all the same. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 8
#define PROBES 3

static int worker(void)
{
    for (int i = 0; i < PROBES; i++) {
        int probe = rig_socket("0.0.0.0", 0);
        CHECK_INT(rig_bind_to(probe, "0.0.0.0", cluster_get_port()), ==, 0);
        CHECK_INT(close(probe), ==, 0);
    }
    say("worker %u has probed", cluster_worker_id());
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = 800};
    return lab_main(&options, argc, argv, worker);
}

static void round_of(app *a, bool is_crash)
{
    int connections[CONNECTIONS];
    char known[256], now[256];
    snprintf(known, sizeof known, "%s", strstr(rig_get("127.0.0.1", a->port, "/cookies"), "cookies"));
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(connections[i], >=, 0);
        rig_send(connections[i], "/");
    }
    if (is_crash)
        CHECK_INT(kill(old, SIGKILL), ==, 0);
    else
        app_ctl(a, "restart");
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[512];
        rig_answer(connections[i], text, sizeof text);
        close(connections[i]);
    }
    WAIT_UNTIL(!proc_alive(old));
    lab_finish_restart(a);
    snprintf(now, sizeof now, "%s", strstr(rig_get("127.0.0.1", a->port, "/cookies"), "cookies"));
    CHECK_STR(now, known);
}

void test_main(void)
{
    app *a = app_start(.variant = "1", .control = true);
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    test_case("restart");
    round_of(a, false);
    test_case("crash");
    round_of(a, true);
    test_case("both in turn");
    round_of(a, false);
    round_of(a, true);
    app_stop(a);

    /* Another worker listens on the same port: what the probe closes is not given to that one. */
    test_case("beside another worker");
    app *b = app_start(.variant = "2", .control = true);
    app_wait_out(b, "master ready");
    rig_wait_listening(b, 0, 1);
    rig_wait_listening(b, 1, 1);
    rig_crash(b, 0);
    app_wait_out_times(b, "worker 0 has probed", 2);
    app_wait_serving(b, 2);
    app_stop(b);
}
