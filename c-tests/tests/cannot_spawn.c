/* contract 2.1, 7.2: workers that cannot be spawned inside cluster_init: one [ERROR] line, false, and the workers that were started
 * already are gone when it returns. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void be_no_program(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK_INT(length, >, 0);
    path[length] = '\0';
    CHECK_INT(chmod(path, 0644), ==, 0);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 255, .port = app_port(argv), .respawn = true};
    if (strcmp(variant, "not executable") == 0) {
        options.cpus = 3;
        be_no_program();
    }
    if (getenv("ECEWO_WORKER_ID")) {
        cluster_init(&options, argc, argv);
        CHECK(cluster_is_worker());
        for (;;)
            pause(); /* these many workers need not serve */
    }
    if (cluster_init(&options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    CHECK(!cluster_is_master());
    CHECK(!cluster_is_worker());
    CHECK_INT(cluster_worker_count(), ==, 0);
    cluster_wait_workers();
    say("init failed");
    return 3;
}

static void expect_refused(app *a, const char *words)
{
    app_wait_out(a, "init failed"); /* said by the process that came back from cluster_init */
    app_expect_exit(a, 3);
    app_expect_none_left(a);
    /* Also where a worker that runs already is the first to hit the limit, with a thread of its own. */
    app_expect_err_count(a, "[ERROR]", 1);
    app_expect_err_count(a, words, 1);
    app_expect_out_count(a, "master ready", 0);
    app_expect_out_count(a, "init failed", 1);
}

/* Hard, so that the master cannot raise it; an unprivileged user, so that nobody can. */
static void few_descriptors(void)
{
    struct rlimit limit = {64, 64};
    become_unprivileged();
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(125);
}

static void few_processes(void)
{
    become_unprivileged();
    struct rlimit limit = {12, 12};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0)
        _exit(125);
}

void test_main(void)
{
    test_case("255 workers, 64 descriptors");
    app *a = app_start(.variant = "descriptors", .before_exec = few_descriptors);
    expect_refused(a, "re:^\\[ERROR\\] .*(64|255).*(RLIMIT_NOFILE|ulimit|descriptors|open files)");

    test_case("255 workers, 12 processes");
    a = app_start(.variant = "processes", .before_exec = few_processes);
    expect_refused(a, "re:^\\[ERROR\\] .*(RLIMIT_NPROC|ulimit|processes|TasksMax|pids)");

    test_case("the program file does not start");
    a = app_start(.variant = "not executable", .program = copy_program());
    expect_refused(a, "re:^\\[ERROR\\].*/program");
}
