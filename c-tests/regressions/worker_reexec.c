/* contract 2.2: a worker that executes its program anew, before cluster_init or after it, has lost its channel: it exits with 78 and says
   why, also where the program has cleared its environment in between. It never becomes a master. */
#include "lab.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGAIN "again"

static void execute_again(char **argv, const char *variant)
{
    char *arguments[] = {argv[0], argv[1], argv[2], argv[3], AGAIN, NULL};
    if (strstr(variant, "cleared"))
        clearenv();
    execv("/proc/self/exe", arguments);
    _exit(126);
}

int app_main(int argc, char **argv, const char *variant)
{
    bool again = argc > 4 && strcmp(argv[4], AGAIN) == 0;
    bool is_worker = again || lab_worker_id() >= 0;
    Cluster options = {.cpus = 1, .port = app_port(argv), LAB_EVENTS};
    if (is_worker && !again && strstr(variant, "before"))
        execute_again(argv, variant);
    bool master = cluster_init(&options, argc, argv);
    if (is_worker && !again && strstr(variant, "after"))
        execute_again(argv, variant);
    if (is_worker) {
        say("a worker came back from cluster_init as %s", master ? "a master" : "no master");
        return 5;
    }
    CHECK(master);
    cluster_wait_workers();
    say("master done");
    return 0;
}

static void expect_78(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_out_count(a, "came back", 0);
    app_expect_out_count(a, "event exit 0 78 crash", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(exit 78\\)$", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] .*exec", 1);
    app_expect_out_count(a, "master done", 1);
}

void test_main(void)
{
    expect_78("before cluster_init");
    expect_78("before cluster_init, environment cleared");
    expect_78("after cluster_init");
    expect_78("after cluster_init, environment cleared");
}
