/* contract 6.1: a queue that nobody will come for ends: at once if its slot stays down, after 5 s if others serve; the connections in it are
   served by the others then. The queue of the only worker is kept for as long as the respawn takes. */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 24
#define LONG_DELAY_MS 9000

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = strstr(variant, "respawn") != NULL,
                       .worker_respawn_delay_ms = LONG_DELAY_MS};
    return lab_main(&options, argc, argv, worker);
}

static int connections[CONNECTIONS];

static app *start(const char *name, const char *variant)
{
    test_case(name);
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    for (int id = 0; id < atoi(variant); id++)
        rig_wait_listening(a, id, 1);
    return a;
}

/* The worker of slot 0 is stopped, and ends with connections in its queue. */
static pid_t end_with_queue(app *a, int signal)
{
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i] = rig_connect("127.0.0.1", a->port);
        CHECK_INT(connections[i], >=, 0);
        rig_send(connections[i], "/");
    }
    CHECK_INT(kill(old, signal), ==, 0);
    kill(old, SIGCONT);
    WAIT_UNTIL(!proc_alive(old));
    return old;
}

static int expect_answers(pid_t by)
{
    int late = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[512];
        int pid = 0;
        late += !rig_readable(connections[i], 0);
        rig_answer(connections[i], text, sizeof text);
        CHECK_INT(sscanf(strstr(text, "\r\n\r\n"), "\r\n\r\nworker %*d pid %d", &pid), ==, 1);
        CHECK_INT(pid, ==, by);
        close(connections[i]);
    }
    return late;
}

/* No newcomer gets into a queue that has ended. */
static void expect_served_by_one(app *a, pid_t by)
{
    for (int i = 0; i < 40; i++) {
        int pid = 0;
        CHECK_INT(sscanf(rig_get("127.0.0.1", a->port, "/"), "worker %*d pid %d", &pid), ==, 1);
        CHECK_INT(pid, ==, by);
    }
}

static void others_take_over(const char *name, const char *variant, int signal)
{
    app *a = start(name, variant);
    pid_t other = app_worker_pid(a, 1);
    int64_t before = ct_now_ms();
    end_with_queue(a, signal);
    expect_answers(other);
    CHECK_INT(ct_now_ms() - before, <, 4900); /* at once, not after 5 s */
    expect_served_by_one(a, other);
    app_stop(a);
}

static void after_five_seconds(void)
{
    app *a = start("one of two waits longer than 5 s", "2 respawn");
    pid_t other = app_worker_pid(a, 1);
    int64_t before = ct_now_ms();
    end_with_queue(a, SIGKILL);
    int late = expect_answers(other);
    int64_t took = ct_now_ms() - before;
    CHECK_INT(late, >, 0); /* else none was in its queue */
    CHECK_INT(took, >=, 4900);
    CHECK_INT(took, <, LONG_DELAY_MS - 500);
    app_wait_status(a, 0, WORKER_RESPAWNING);
    expect_served_by_one(a, other);
    rig_wait_listening(a, 0, 2); /* it comes back, with a new socket */
    app_wait_serving(a, 2);
    app_stop(a);
}

static void the_only_one_keeps_it(void)
{
    app *a = start("the only one waits longer than 5 s", "1 respawn");
    int64_t before = ct_now_ms();
    end_with_queue(a, SIGKILL);
    lab_wait_for(LONG_DELAY_MS - 1000); /* longer than one wait may be */
    rig_wait_listening(a, 0, 2);
    CHECK_INT(ct_now_ms() - before, >=, LONG_DELAY_MS - 100);
    expect_answers(app_worker_pid(a, 0));
    app_stop(a);
}

/* One of two that wait, while none serves: both keep their queues. */
static void nobody_serves(void)
{
    app *a = start("two wait", "2 respawn");
    pid_t second = app_worker_pid(a, 1);
    rig_stop_process(second);
    end_with_queue(a, SIGKILL);
    CHECK_INT(kill(second, SIGKILL), ==, 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        char text[512];
        ct_here(__FILE__, __LINE__);
        rig_read_answer(connections[i], text, sizeof text, LONG_DELAY_MS + CT_WAIT_MS);
        close(connections[i]);
    }
    app_stop(a);
}

static void nobody_left(void)
{
    app *a = start("the only one, respawn off", "1");
    end_with_queue(a, SIGKILL);
    CHECK(rig_ends(connections[0], CT_WAIT_MS));
    WAIT_UNTIL(rig_refused("127.0.0.1", a->port));
    app_wait_err(a, "[ERROR] No worker is left");
    app_expect_exit(a, 0);
}

void test_main(void)
{
    test_time_limit(120);
    nobody_left();
    others_take_over("respawn off", "2", SIGKILL);
    others_take_over("a graceful end", "2 respawn", SIGTERM);
    after_five_seconds();
    the_only_one_keeps_it();
    nobody_serves();
}
