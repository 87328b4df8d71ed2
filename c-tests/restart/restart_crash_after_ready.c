/* contract 5.1, 3.5, 3.6: the replacement crashes when it has taken over and the old worker is not gone yet: it is
   respawned from its own, new image, and the old one's end later does not disturb it. */
#include "lab.h"

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = 3600 * 1000,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, stubborn_worker);
}

void test_main(void)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 1);
    pid_t old = app_worker_pid(a, 0);
    release_install(path, "2");
    app_ctl(a, "restart");
    app_wait_out(a, "worker 0 got 15");
    app_wait_out_times(a, "worker 0 listening", 2); /* it takes over when it listens, and says so only then */
    release_install(path, "3"); /* not approved by any restart */
    pid_t replacement = lab_wait_new_pid(a, 0, old);
    CHECK_INT(kill(replacement, SIGKILL), ==, 0);
    pid_t third = lab_wait_new_pid(a, 0, replacement);
    CHECK_STR(release_of(third), "2");
    CHECK(proc_alive(old));
    lab_expect_events(a, "start 0; start 0; exit 0 137 crash; start 0");

    lab_tell(old, 0);
    lab_expect_events(a, "start 0; start 0; exit 0 137 crash; start 0; exit 0 0 graceful");
    lab_finish_restart(a);
    CHECK_INT(app_worker_pid(a, 0), ==, third);
    cluster_stats_t stats;
    CHECK_INT(app_get_stats(a, &stats), ==, 1);
    CHECK_INT(stats.active_workers, ==, 1);
    CHECK_INT(stats.total_restarts, ==, 2);
    app_wait_out_times(a, "worker 0 listening", 3);
    kill(a->pid, SIGTERM);
    lab_tell(third, 0);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}
