/* contract 4.4: the master dies while it starts its workers, or in the middle of a graceful restart: no worker is left,
   nor the replacement that was not ready yet. */
#include "lab.h"

#include <string.h>
#include <sys/wait.h>

static bool dies_at_start = false;

static void on_start(uint8_t worker_id)
{
    lab_on_start(worker_id);
    if (worker_id == 1 && dies_at_start)
        raise(SIGKILL);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true, .on_start = on_start, .on_exit = lab_on_exit};
    dies_at_start = strcmp(variant, "start") == 0;
    release_behave();
    return lab_main(&options, argc, argv, plain_worker);
}

void test_main(void)
{
    test_case("in cluster_init");
    app *a = app_start(.variant = "start");
    CHECK(WIFSIGNALED(app_wait_exit(a)));
    app_expect_out_count(a, "event start", 2);
    app_expect_out_count(a, "master ready", 0);
    app_wait_none_left(a);

    test_case("in a graceful restart");
    const char *path = lab_path("app");
    release_install(path, "1");
    app *b = app_start(.control = true, .program = path, .env = lab_env());
    app_wait_out(b, "master ready");
    lab_wait_listening(b, 3);
    release_install(path, "2 gate closed for 1");
    app_ctl(b, "restart");
    app_wait_out(b, "event exit 0 143 graceful");
    pid_t all[16];
    /* Four workers: a new one, two old ones, and the replacement that waits for its gate. */
    WAIT_UNTIL(app_children(b, all, 16) == 4 && release_wait_child(b, "2 gate closed for 1") > 0);
    app_kill(b);
    app_wait_none_left(b);
}
