/* contract 4.4, 3.8: a program that ends without cluster_wait_workers: it returns from main, calls _exit, or executes another program. No worker
   is left, and no port. */
#include "lab.h"
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = 1500};
    if (!cluster_init(&options, argc, argv))
        return cluster_is_worker() ? server_serve(cluster_get_port()) : 3;
    say("master ready");
    char line[8];
    CHECK(read(0, line, sizeof line) >= 0); /* the driver says when */
    if (strcmp(variant, "exits") == 0)
        _exit(0);
    if (strcmp(variant, "executes") == 0)
        execl("/bin/true", "true", argv[3], (char *)NULL);
    return 0;
}

void test_main(void)
{
    static const char *const variants[] = {"returns", "exits", "executes"};
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        test_case(variants[i]);
        app *a = app_start(.variant = variants[i], .control = true);
        app_wait_out(a, "master ready");
        app_wait_serving(a, 2);
        CHECK_INT(write(a->control_fd, "go\n", 3), ==, 3);
        app_expect_exit(a, 0);
        app_wait_none_left(a);
        CHECK_INT(http_get(a->port, "/").outcome, ==, HTTP_REFUSED);
    }
}
