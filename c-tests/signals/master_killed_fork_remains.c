/* contract 4.4: a child that the master's program forked without exec holds the master's end of every channel; the
   workers end with their master all the same. */
#include "lab.h"

#include <stdio.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    pid_t child = fork();
    if (child == 0)
        lab_sleep_for_ever();
    say("master ready, child %d", (int)child);
    cluster_wait_workers();
    return 0;
}

void test_main(void)
{
    app *a = app_start(.variant = "");
    int child = 0;
    CHECK_INT(sscanf(app_wait_out(a, "master ready"), "master ready, child %d", &child), ==, 1);
    lab_wait_listening(a, 2);
    app_kill(a);
    pid_t left[8];
    WAIT_UNTIL(app_processes(a, left, 8) == 1);
    CHECK_INT(left[0], ==, child);
    kill(child, SIGKILL);
    lab_wait_orphan(child);
    app_expect_none_left(a);
}
