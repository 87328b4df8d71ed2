/* contract 6.1, 6.2: a listener that the successor does not want any more is let go about a second after that is ready: nobody queues
   there for ever. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char **arguments;

static int worker(void)
{
    int listeners[2] = {rig_listen("127.0.0.1", cluster_get_port(), 0), -1};
    if (!gate_is_open("one-port"))
        listeners[1] = rig_listen("127.0.0.1", (uint16_t)atoi(arguments[4]), 0);
    return rig_serve(listeners, 2);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    (void)variant;
    arguments = argv;
    return lab_main(&options, argc, argv, worker);
}

/* The gate cannot be shut again: one folder for each case. */
static void second_port_ends(const char *name, bool is_crash)
{
    char port[16];
    test_case(name);
    uint16_t second = free_port();
    snprintf(port, sizeof port, "%u", (unsigned)second);
    app *a = app_start(.control = true, .env = lab_env(), .args = (const char *const[]){port, NULL});
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    rig_get("127.0.0.1", second, "/");
    rig_crash(a, 0); /* it is adopted once: what is released is the master's, too */
    rig_get("127.0.0.1", second, "/");
    gate_open("one-port");
    if (is_crash) {
        pid_t old = app_worker_pid(a, 0);
        CHECK_INT(kill(old, SIGKILL), ==, 0);
        app_wait_new_pid(a, 0, old);
    } else {
        app_ctl(a, "restart");
    }
    rig_wait_listening(a, 0, 3);
    int64_t since = ct_now_ms();
    WAIT_UNTIL(rig_refused("127.0.0.1", second));
    CHECK_INT(ct_now_ms() - since, <, 4000);
    lab_finish_restart(a);
    for (int i = 0; i < 10; i++)
        rig_get("127.0.0.1", a->port, "/");
    CHECK(rig_refused("127.0.0.1", second));
    app_stop(a);
}

void test_main(void)
{
    second_port_ends("crash", true);
    unlink(lab_path("gate-one-port"));
    second_port_ends("restart", false);
}
