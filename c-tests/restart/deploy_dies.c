/* contract 5.2, 3.6: a replacement that exits (also with 0) or crashes before it is ready is a failed deploy: an [ERROR]
   line that names the worker, what happened and what now; no callback, no crash count; the old workers go on. */
#include "deploy.h"

#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    release_behave();
    if (lab_worker_id() >= 0 && strncmp(release_own(), "after init", 10) == 0) {
        cluster_init(&options, argc, argv);
        if (strstr(release_own(), "raise"))
            kill(getpid(), SIGTERM);
        _exit(strstr(release_own(), "nine") ? 9 : 0);
    }
    return app_serve(&options, argc, argv);
}

static void fail_with(deployment *d, const char *release, const char *what)
{
    test_case(release);
    release_install(d->path, release);
    deploy_expect_failure(d, what, CT_WAIT_MS);
}

void test_main(void)
{
    deployment d = deploy_start();
    fail_with(&d, "2 exit 0", "exit 0");
    fail_with(&d, "2 exit 1", "exit 1");
    fail_with(&d, "2 abort", "signal 6");
    fail_with(&d, "after init, exit", "exit 0");
    fail_with(&d, "after init, nine", "exit 9");
    fail_with(&d, "after init, raise", "signal 15");
    /* More often than crash protection would allow: these were no crashes. */
    app_expect_err_count(d.a, "crashing too fast", 0);
    app_expect_err_count(d.a, "crashed after", 0);
    test_case("afterwards");
    deploy_expect_recovery(&d);
}
