/* contract 3.7: the library reaps its own workers only: children that the program started, before or after cluster_init,
   keep their status for the program, also while workers crash and are respawned. */
#include "lab.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t before, after;

static pid_t start_child(int code)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(code);
    CHECK_INT(pid, >, 0);
    return pid;
}

static bool collect(const char *command, char *answer, size_t size)
{
    if (strcmp(command, "children") == 0) {
        snprintf(answer, size, "before=%d after=%d", (int)before, (int)after);
        return true;
    }
    if (strcmp(command, "collect") != 0)
        return false;
    int first = 0, second = 0;
    pid_t one = waitpid(before, &first, 0), two = waitpid(after, &second, 0);
    snprintf(answer, size, "first=%d second=%d", one == before ? WEXITSTATUS(first) : -1,
             two == after ? WEXITSTATUS(second) : -1);
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    control_start(collect);
    if (lab_worker_id() < 0)
        before = start_child(11);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    after = start_child(12);
    say("master ready");
    cluster_wait_workers();
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    const char *children = app_ctl(a, "children");
    pid_t first = (pid_t)ctl_field(children, "before"), second = (pid_t)ctl_field(children, "after");
    WAIT_UNTIL(proc_state(first) == 'Z' && proc_state(second) == 'Z');

    lab_kill(a, 0, SIGKILL);
    app_wait_out_times(a, "event start 0", 2);
    lab_kill(a, 1, SIGTERM);
    app_wait_out(a, "event exit 1");
    CHECK_INT(proc_state(first), ==, 'Z');
    CHECK_INT(proc_state(second), ==, 'Z');
    const char *answer = app_ctl(a, "collect");
    CHECK_INT(ctl_field(answer, "first"), ==, 11);
    CHECK_INT(ctl_field(answer, "second"), ==, 12);
    app_expect_err_count(a, "[WARN]", 0);
    app_stop(a);
}
