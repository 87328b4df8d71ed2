/* contract 2.1, 1.3, 1.5: wrong arguments of cluster_init: one [ERROR] line that names the value, false, nothing left running. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_no_cluster(void)
{
    CHECK(!cluster_is_master());
    CHECK(!cluster_is_worker());
    CHECK_INT(cluster_get_port(), ==, 0);
    CHECK_INT(cluster_worker_count(), ==, 0);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv)};
    bool result = true;
    if (strcmp(variant, "port 0") == 0) {
        options.port = 0;
        result = cluster_init(&options, argc, argv);
    } else if (strcmp(variant, "options NULL") == 0) {
        result = cluster_init(NULL, argc, argv);
    } else if (strcmp(variant, "argv NULL") == 0) {
        result = cluster_init(&options, argc, NULL);
    } else if (strcmp(variant, "argc 0") == 0) {
        result = cluster_init(&options, 0, argv);
    } else if (strcmp(variant, "argc -1") == 0) {
        result = cluster_init(&options, -1, argv);
    }
    CHECK(!result);
    check_no_cluster();
    say("came back");
    return 0;
}

/* Exactly one line, an error, with `words` in it. */
static void refused(const char *variant, const char *words)
{
    test_case(variant);
    app *a = app_start(.variant = variant);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_out_count(a, "came back", 1); /* once: no second process came that far */
    app_expect_err_count(a, "re:^\\[ERROR\\] ", 1);
    app_expect_err_count(a, "", 1);
    app_expect_err_count(a, words, 1);
}

void test_main(void)
{
    refused("port 0", "re:port.* 0[^0-9]|0.* port");
    refused("options NULL", "re:options.*NULL|NULL.*options");
    refused("argv NULL", "re:argv.*NULL|NULL.*argv");
    refused("argc 0", "argc");
    refused("argc -1", "argc");
}
