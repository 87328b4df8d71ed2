/* contract 6.4: a client that asks again some ten milliseconds after each answer (one that asks all the time, but has to wait for a
   processor) is told of the end in an answer, and never finds its connection closed instead. */
#include "rig.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum {
    THINKS_MS = 40,
    /* The library lets nobody go earlier after an answer: contract 6.4 names no number, zero-downtime.md says 100. The kernel's
       clock steps. */
    WAITS_MS = 85,
    RESTARTS = 8,
};

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true};
    if (cluster_init(&options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    int listener = rig_listen("127.0.0.1", cluster_get_port(), 0);
    return rig_serve(&listener, 1);
}

/* Asks and thinks until an answer announces the end. False: this machine made the client think for so long that it proves nothing. */
static bool is_told(int fd)
{
    char text[1024];
    for (;;) {
        int64_t asked = ct_now_ms(); /* before the answer: this process may be told of it late */
        rig_send(fd, "/");
        rig_answer(fd, text, sizeof text);
        if (strstr(text, "Connection: close"))
            return true;
        if (rig_readable(fd, THINKS_MS)) {
            int64_t after = ct_now_ms() - asked;
            CHECK_MSG(after >= WAITS_MS, "the connection ended %d ms after a request whose answer did not announce it", (int)after);
            return false;
        }
    }
}

void test_main(void)
{
    app *a = app_start(.variant = "main");
    app_wait_out(a, "master ready");
    int told = 0;
    for (int i = 1; i <= RESTARTS; i++) {
        rig_wait_listening(a, 0, i);
        int fd = rig_connect("127.0.0.1", a->port);
        CHECK_INT(fd, >=, 0);
        char text[1024];
        rig_send(fd, "/"); /* so the worker of now has accepted it */
        rig_answer(fd, text, sizeof text);
        CHECK_INT(kill(a->pid, SIGUSR2), ==, 0);
        told += is_told(fd);
        close(fd);
    }
    say("told in %d of %d restarts", told, RESTARTS);
    CHECK_INT(told, >, 0);
    app_stop(a);
}
