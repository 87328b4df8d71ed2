/* contract 7.2, 7.3, 4.5: a worker under a debugger: it serves; killed, it stays a zombie that only the debugger can see to its end, while its
   pidfd says that it has ended. The master waits for it without spinning, and replaces it when the debugger lets go. */
#include "lab.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10, .respawn_max_crashes = 100};
    return app_serve(&options, argc, argv);
}

/* Clock ticks that a process has used. */
static long ticks_of(pid_t pid)
{
    char text[1024];
    size_t length;
    unsigned long user, kernel;
    CHECK(proc_read(pid, "stat", text, sizeof text, &length));
    const char *rest = strrchr(text, ')');
    CHECK(rest != NULL);
    CHECK_INT(sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel), ==, 2);
    return (long)(user + kernel);
}

static void rest_ms(int ms)
{
    int64_t end = ct_now_ms() + ms;
    while (ct_now_ms() < end)
        ct_pump(10);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    pid_t traced = app_worker_pid(a, 1), other = app_worker_pid(a, 0);
    if (ptrace(PTRACE_SEIZE, traced, NULL, NULL) != 0) {
        say("NOT CHECKED: a worker that is traced: ptrace: %s", strerror(errno));
        app_stop(a);
        return;
    }
    app_wait_serving(a, 2);
    kill(traced, SIGKILL);
    WAIT_UNTIL(proc_state(traced) == 'Z');
    /* The time is what is measured here: what a master uses that spins is all of it. */
    long before = ticks_of(a->pid);
    rest_ms(1000);
    CHECK_INT(ticks_of(a->pid) - before, <, sysconf(_SC_CLK_TCK) / 10);
    CHECK_INT(app_worker_pid(a, 0), ==, other);

    int status;
    CHECK_INT(waitpid(traced, &status, __WALL), ==, traced); /* the debugger lets go */
    app_wait_new_pid(a, 1, traced);
    app_wait_serving(a, 2);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker 1 crashed after [0-9]+ s \\(signal 9\\)$", 1);
    app_stop(a);
}
