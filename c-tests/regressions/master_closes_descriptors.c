/* contract 4.4, 7.2, 2.3: a master's program that closes every descriptor above stderr after cluster_init, as programs do that go to the
   background: an [ERROR] line says so, no worker is left running without a master that could stop it, and the master ends when it is told
   to. */
#include "lab.h"

#include <string.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = strcmp(variant, "with respawn") == 0,
                       .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = 500,
                       LAB_EVENTS};
    if (!cluster_init(&options, argc, argv))
        return lab_worker_id() == 0 ? plain_worker() : stubborn_worker();
    say("master ready");
    while (!gate_is_open("close"))
        usleep(5000);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    say("all closed");
    cluster_wait_workers();
    say("master done");
    return 0;
}

static int worker_processes(app *a)
{
    pid_t all[16];
    return app_children(a, all, 16);
}

static void close_all(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant, .env = lab_env());
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    gate_open("close"); /* and it stays open */
    app_wait_out(a, "all closed");
    app_wait_err(a, "re:^\\[ERROR\\] .*descriptors");
    WAIT_UNTIL(worker_processes(a) == 0);
    if (strcmp(variant, "with respawn") == 0) /* otherwise it ends by itself */
        kill(a->pid, SIGTERM);
    app_expect_exit(a, 0);
    app_wait_none_left(a); /* a stubborn worker has its 500 ms */
}

void test_main(void)
{
    close_all("without respawn");
    close_all("with respawn");
}
