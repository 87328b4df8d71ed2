/* The life of a cluster, for any surroundings; see box.h. */
#include "box.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int worker(void)
{
    lab_obey();
    signal(SIGTERM, SIG_DFL);
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    return rig_serve(&listener, 1);
}

int box_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10,
                       .shutdown_timeout_ms = strstr(variant, "short") ? 500 : 8000, LAB_EVENTS};
    control_start(NULL);
    if (cluster_init(&options, argc, argv)) {
        pid_t child = strstr(variant, "fork") ? fork() : 0;
        if (strstr(variant, "fork") && child == 0)
            lab_sleep_for_ever();
        say("master ready, child %d", (int)child);
        cluster_wait_workers();
        return 0;
    }
    if (!cluster_is_worker()) {
        say("init failed");
        return 3;
    }
    return worker();
}

static void restart(app *a)
{
    char text[512];
    pid_t old = app_worker_pid(a, 0), other = app_worker_pid(a, 1);
    int held = rig_connect("127.0.0.1", a->port), idle = rig_connect("127.0.0.1", a->port);
    unlink(lab_path("gate-answer"));
    rig_send(held, "/hold?answer");
    rig_send(idle, "/");
    rig_answer(idle, text, sizeof text);
    app_ctl(a, "restart");
    gate_open("answer");
    rig_answer(held, text, sizeof text);
    CHECK_MATCH(text, "HTTP/1.1 200");
    CHECK_MSG(rig_ends(idle, CT_WAIT_MS), "an idle connection is not let go");
    lab_finish_restart(a);
    CHECK(app_worker_pid(a, 0) != old);
    CHECK(app_worker_pid(a, 1) != other);
    close(held);
    close(idle);
}

void box_life(app *a)
{
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    rig_wait_listening(a, 1, 1);
    rig_get("127.0.0.1", a->port, "/");

    pid_t old = app_worker_pid(a, 1);
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    app_wait_new_pid(a, 1, old);
    rig_wait_listening(a, 1, 2);
    restart(a);
    lab_order_signal(a, SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    app_wait_out(a, "worker 1 got 10");
    rig_get("127.0.0.1", a->port, "/");
    app_expect_err_count(a, "[ERROR]", 1); /* of the crash */
}
