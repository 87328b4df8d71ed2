/* contract 2.2: a process that is given a worker's environment, but not its channel, does not become a master: it exits with 78. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv)};
    return app_serve(&options, argc, argv);
}

/* The entries of a worker's environment, as it was executed with, that its master's has not. */
static int additional_entries(pid_t worker, pid_t master, const char **entries, int room)
{
    static char workers[128 * 1024], masters[128 * 1024];
    size_t size = 0, masters_size = 0;
    int count = 0;
    CHECK(proc_read(worker, "environ", workers, sizeof workers, &size));
    CHECK(proc_read(master, "environ", masters, sizeof masters, &masters_size));
    for (char *entry = workers; entry < workers + size && count < room; entry += strlen(entry) + 1)
        if (*entry && !memmem(masters, masters_size, entry, strlen(entry) + 1))
            entries[count++] = entry;
    return count;
}

void test_main(void)
{
    const char *entries[17] = {NULL};
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 1);
    int count = additional_entries(app_worker_pid(a, 0), a->pid, entries, 16);
    CHECK_INT(count, >=, 1); /* ECEWO_WORKER_ID at least */
    for (int i = 0; i < count; i++)
        printf("a worker is executed with %s\n", entries[i]);
    bool only_the_id = count == 1 && strncmp(entries[0], "ECEWO_WORKER_ID=", 16) == 0;

    app *copy = app_start(.env = entries, .control = false);
    if (only_the_id) {
        /* Where the identity does not travel by the environment, or was wiped from memory, there is nothing to be taken in by. */
        app_wait_out(copy, "master ready");
        app_stop(copy);
    } else {
        app_expect_exit(copy, 78);
        app_expect_none_left(copy);
        app_expect_err_count(copy, "re:^\\[ERROR\\] ", 1);
        app_expect_out_count(copy, "", 0);
    }
    app_wait_serving(a, 1);
    app_stop(a);
}
