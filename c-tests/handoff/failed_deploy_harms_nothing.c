/* contract 5.2, 6.1: a replacement that adopts its predecessor's listeners and then fails takes nothing with it: the old worker goes on serving the
   same socket, and it is still kept for whoever comes after. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *own_variant;

static int worker(void)
{
    uint16_t port = cluster_get_port();
    int listeners[2] = {-1, -1};
    if (gate_is_open("bad")) {
        listeners[0] = rig_socket("127.0.0.1", 0);
        CHECK_INT(rig_bind_to(listeners[0], "127.0.0.1", port), ==, 0);
        if (strstr(own_variant, "listens"))
            CHECK_INT(listen(listeners[0], 256), ==, 0);
        if (strstr(own_variant, "shuts down"))
            CHECK_INT(shutdown(listeners[0], SHUT_RDWR), ==, 0);
        if (strstr(own_variant, "closes"))
            CHECK_INT(close(listeners[0]), ==, 0);
        _exit(5);
    }
    for (int i = 0; i < 2; i++)
        listeners[i] = rig_listen(i == 0 ? "127.0.0.1" : "127.0.0.2", port, 0);
    return rig_serve(listeners, 2);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    own_variant = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    char known[256], now[256], text[512];
    int workers = atoi(variant);
    test_case(variant);
    unlink(lab_path("gate-bad"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    for (int id = 0; id < workers; id++)
        rig_wait_listening(a, id, 1);
    app_wait_serving(a, workers);
    snprintf(known, sizeof known, "%s", workers == 1 ? strstr(rig_get("127.0.0.1", a->port, "/cookies"), "cookies") : "");
    pid_t old = app_worker_pid(a, 0);
    gate_open("bad");
    for (int i = 0; i < 3; i++) {
        rig_restart(a);
        app_wait_err_times(a, "re:^\\[ERROR\\].*restart", i + 1);
    }
    unlink(lab_path("gate-bad"));
    CHECK_INT(app_worker_pid(a, 0), ==, old);
    app_wait_serving(a, workers);
    CHECK(!rig_refused("127.0.0.2", a->port));
    /* Its queue is still kept. */
    rig_stop_process(old);
    int waiting[8];
    for (int i = 0; i < 8; i++) {
        waiting[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(waiting[i], >=, 0);
        rig_send(waiting[i], "/cookies");
    }
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    for (int i = 0; i < 8; i++) {
        rig_answer(waiting[i], text, sizeof text);
        snprintf(now, sizeof now, "%s", strstr(text, "cookies"));
        if (workers == 1)
            CHECK_STR(now, known);
        close(waiting[i]);
    }
    app_wait_serving(a, workers);
    app_stop(a);
}

void test_main(void)
{
    one("1 binds");
    one("1 listens");
    one("2 listens");
    one("2 binds, closes");
    one("2 listens, closes");
    one("2 listens, shuts down");
}
