/* contract 6.5, 4.1: a shutdown of the whole cluster lets go of the kept sockets first: while workers finish what they have, newcomers are
   refused, and do not queue for a server that will not come. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    rig_finish_on_sigterm();
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = 20000};
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant, bool after_crash)
{
    char text[512];
    test_case(variant);
    unlink(lab_path("gate-go"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    for (int id = 0; id < atoi(variant); id++)
        rig_wait_listening(a, id, 1);
    if (after_crash)
        rig_crash(a, 0);
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold?go");
    for (int i = 0; i < 10 * atoi(variant); i++) /* accepted after that one, by whichever worker has it */
        rig_get("127.0.0.1", a->port, "/");
    CHECK_INT(kill(a->pid, SIGTERM), ==, 0);
    WAIT_UNTIL(rig_refused("127.0.0.1", a->port));
    CHECK(proc_alive(a->pid));
    gate_open("go");
    rig_answer(held, text, sizeof text);
    close(held);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}

void test_main(void)
{
    one("1", false);
    one("1", true);
    one("3", true);
}
