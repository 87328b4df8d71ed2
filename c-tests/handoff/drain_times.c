/* contract 6.3: how long an old worker has: none left, SIGTERM at once; something left, SIGTERM when half of shutdown_timeout_ms is over and
   SIGKILL when the whole is; an answer that is ready between the two gets out. */
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 8000
#define HALF (TIMEOUT_MS / 2)
#define SLACK 15 /* the driver's clock starts before the master's */

static const char *own_variant;

static void on_sigterm(int number)
{
    (void)number;
    say("got SIGTERM @%lld", (long long)ct_now_ms());
}

static int worker(void)
{
    struct sigaction action = {.sa_handler = on_sigterm, .sa_flags = SA_RESTART};
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    if (strstr(own_variant, "stubborn"))
        sigaction(SIGTERM, &action, NULL);
    else if (strstr(own_variant, "finishes"))
        rig_finish_on_sigterm();
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = TIMEOUT_MS, LAB_EVENTS};
    own_variant = variant;
    return lab_main(&options, argc, argv, worker);
}

static int64_t began, replaced;

static app *start(const char *name, const char *variant)
{
    test_case(name);
    unlink(lab_path("gate-go"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    return a;
}

/* Starts a restart; `began` is before the drain, `replaced` after it has begun. */
static pid_t restart(app *a)
{
    pid_t old = app_worker_pid(a, 0);
    began = ct_now_ms();
    app_ctl(a, "restart");
    app_wait_out_times(a, "event start 0", 2);
    replaced = ct_now_ms();
    return old;
}

static int64_t sigterm_at(app *a)
{
    const char *line = app_wait_out(a, "got SIGTERM @"), *at = strchr(line, '@');
    return strtoll(at + 1, NULL, 10);
}

static void at_once(void)
{
    app *a = start("no connection", "plain");
    rig_get("127.0.0.1", a->port, "/");
    restart(a);
    app_wait_out(a, "event exit 0 143 graceful");
    CHECK_INT(lab_event_ms(a, 2) - lab_event_ms(a, 1), <, HALF - 100);
    lab_finish_restart(a);
    app_stop(a);
}

static void idle_is_let_go(void)
{
    char text[512];
    app *a = start("an idle connection", "plain");
    int idle = rig_connect("127.0.0.1", a->port);
    rig_send(idle, "/");
    rig_answer(idle, text, sizeof text);
    restart(a);
    CHECK_STR(rig_outcome(idle, CT_WAIT_MS, text, sizeof text), "end");
    app_wait_out(a, "event exit 0 143 graceful");
    CHECK_INT(lab_event_ms(a, 2) - lab_event_ms(a, 1), <, HALF - 100);
    close(idle);
    lab_finish_restart(a);
    app_stop(a);
}

/* What cannot be followed is kept for half of the time, and then it is the program's. */
static void opaque(const char *first_bytes)
{
    app *a = start(first_bytes, "stubborn");
    int connection = rig_connect("127.0.0.1", a->port);
    CHECK_INT(connection, >=, 0);
    rig_send_text(connection, first_bytes);
    rig_get("127.0.0.1", a->port, "/"); /* accepted after that one, so that one is read */
    restart(a);
    int64_t told = sigterm_at(a);
    CHECK_INT(told - began, >=, HALF - SLACK);
    CHECK_INT(told - replaced, <, HALF + 3500);
    app_wait_out(a, "event exit 0 137 graceful");
    CHECK_INT(lab_event_ms(a, 2) - began, >=, TIMEOUT_MS - SLACK);
    CHECK_INT(lab_event_ms(a, 2) - replaced, <, TIMEOUT_MS + 4000);
    close(connection);
    lab_finish_restart(a);
    kill(app_worker_pid(a, 0), SIGKILL);
    app_wait_out_times(a, "event exit", 2);
    app_stop(a);
}

static void slow(void)
{
    char text[512];
    app *a = start("a request longer than half of the time", "finishes");
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold?go");
    rig_get("127.0.0.1", a->port, "/");
    pid_t old = restart(a);
    while (ct_now_ms() < replaced + HALF + 100)
        ct_pump(20);
    CHECK(proc_alive(old));
    gate_open("go");
    rig_answer(held, text, sizeof text);
    app_wait_out(a, "event exit 0 0 graceful");
    CHECK_INT(lab_event_ms(a, 2) - began, >=, HALF);
    close(held);
    lab_finish_restart(a);
    app_stop(a);
}

/* A request that is answered before: SIGTERM does not wait for the half. */
static void answered_before(void)
{
    char text[512];
    app *a = start("a request of less than half of the time", "plain");
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold?go");
    rig_get("127.0.0.1", a->port, "/");
    restart(a);
    gate_open("go");
    rig_answer(held, text, sizeof text);
    CHECK(rig_ends(held, CT_WAIT_MS));
    app_wait_out(a, "event exit 0 143 graceful");
    CHECK_INT(lab_event_ms(a, 2) - lab_event_ms(a, 1), <, HALF - 100);
    close(held);
    lab_finish_restart(a);
    app_stop(a);
}

void test_main(void)
{
    at_once();
    idle_is_let_go();
    answered_before();
    slow();
    opaque("\x16\x03\x01\x02hello, this is TLS");
    opaque("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}
