/* contract 3.8, 2.3: the limit of descriptors that the program sets for itself after cluster_init is its own: it stays when
   cluster_wait_workers returns, and the workers have what the program had before. */
#include "lab.h"

#include <string.h>
#include <sys/resource.h>

#define SOFT_BEFORE 20
#define SOFT_OWN 345

static rlim_t soft_limit(void)
{
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    return limit.rlim_cur;
}

static void set_soft_limit(rlim_t soft)
{
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    limit.rlim_cur = soft;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
}

static int worker(void)
{
    say("worker has %d", (int)soft_limit());
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    bool own = strcmp(variant, "own") == 0;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    if (lab_worker_id() < 0)
        set_soft_limit(SOFT_BEFORE);
    control_start(NULL);
    if (!cluster_init(&options, argc, argv))
        return worker();
    CHECK_INT(soft_limit(), >, SOFT_BEFORE); /* the master needs more; without that nothing would be tested here */
    if (own)
        set_soft_limit(SOFT_OWN);
    say("master ready");
    cluster_wait_workers();
    CHECK_INT(soft_limit(), ==, own ? SOFT_OWN : SOFT_BEFORE);
    say("as it should be");
    return 0;
}

static void limits(const char *variant)
{
    test_case(variant);
    app *a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t old = lab_kill(a, 1, SIGKILL);
    lab_wait_new_pid(a, 1, old);
    app_wait_out_times(a, "worker has 20", 3);
    app_stop(a);
    app_expect_out_count(a, "as it should be", 1);
}

void test_main(void)
{
    limits("own");
    limits("untouched");
}
