/* contract 6.1: a queue ends 5 s after its worker did, if others serve; but not the socket that the next worker has adopted by then, even if that
   worker is not ready yet: connections go on reaching it. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *own_variant;

/* The first worker of slot 0 is quick; its successors take their time, until the gate is opened. */
static int worker(void)
{
    int listeners[2] = {-1, -1};
    uint16_t port = cluster_get_port();
    bool is_slow = cluster_worker_id() == 0 && gate_is_open("slow");
    if (strcmp(own_variant, "binds early") == 0) {
        listeners[0] = rig_socket("127.0.0.1", 0);
        CHECK_INT(rig_bind_to(listeners[0], "127.0.0.1", port), ==, 0);
        if (is_slow) {
            say("worker 0 has bound");
            gate_wait("go");
        }
        CHECK_INT(listen(listeners[0], 100), ==, 0);
    } else {
        listeners[0] = rig_listen("127.0.0.1", port, 0);
        if (is_slow)
            say("worker 0 has bound"); /* and never listens on the second one */
        else
            listeners[1] = rig_listen("127.0.0.2", port, 0);
    }
    return rig_serve(listeners, 2);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    own_variant = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    test_case(variant);
    unlink(lab_path("gate-slow"));
    unlink(lab_path("gate-go"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    rig_wait_listening(a, 1, 1);
    app_wait_serving(a, 2);
    gate_open("slow");
    pid_t old = app_worker_pid(a, 0);
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    app_wait_out(a, "worker 0 has bound");
    lab_wait_for(6000); /* the queue's 5 s, and some more */
    gate_open("go");
    rig_wait_listening(a, 0, 2);
    app_wait_serving(a, 2);
    int reached = 0;
    for (int i = 0; i < 60; i++) {
        http_answer answer = http_get(a->port, "/");
        CHECK_INT(answer.outcome, ==, HTTP_ANSWERED);
        reached += answer.worker == 0;
    }
    CHECK_INT(reached, >, 0);
    app_stop(a);
}

void test_main(void)
{
    one("fewer addresses");
    one("binds early");
}
