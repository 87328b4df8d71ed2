/* contract 5.1: some worker answers at any moment of a restart: no connection is refused and none runs into a time
   limit. (A connection in a queue may still be reset: keeping the queues is section 6.) */
#include "lab.h"

#include <stdio.h>
#include <string.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = strcmp(variant, "one") == 0 ? 1 : 3, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return app_serve(&options, argc, argv);
}

static void restart_under_load(const char *variant, int workers)
{
    int counts[HTTP_BROKEN + 1] = {0};
    app *a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    app_wait_serving(a, workers);
    for (int restart = 1; restart <= 3; restart++) {
        int64_t end = ct_deadline(CT_WAIT_MS);
        app_ctl(a, "restart");
        do { /* once at least: where this process gets no processor, the restart is over already */
            CHECK_MSG(ct_now_ms() < end, "the restart did not end in time");
            counts[http_get(a->port, "/").outcome]++;
        } while (app_count_out(a, "graceful") < workers * restart);
        lab_finish_restart(a);
    }
    for (int outcome = 0; outcome <= HTTP_BROKEN; outcome++)
        printf("%s %d ", http_outcome_name((http_outcome)outcome), counts[outcome]);
    printf("\n");
    CHECK_INT(counts[HTTP_ANSWERED], >, 0);
    CHECK_INT(counts[HTTP_REFUSED], ==, 0);
    CHECK_INT(counts[HTTP_TIMEOUT], ==, 0);
    CHECK_INT(counts[HTTP_BROKEN], ==, 0);
    app_wait_serving(a, workers);
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}

void test_main(void)
{
    test_case("three workers");
    restart_under_load("three", 3);
    test_case("one worker");
    restart_under_load("one", 1);
}
