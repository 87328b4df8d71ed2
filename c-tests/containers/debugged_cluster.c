/* contract 3.2, 4.1, 5.1, 6.3: a debugger that follows forks holds the master and every process that comes of it, stops each at its birth, its
   exec, its signals and its end, and passes all on: the cluster lives as elsewhere. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    return box_main(argc, argv, variant);
}

#define OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT)

/* As a debugger does that is told to go on whatever happens. It ends when nothing is left to be traced. */
static void debug(pid_t master, int report)
{
    int status, counts[2] = {0, 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_SEIZE, master, NULL, OPTIONS) != 0)
        _exit(errno == EPERM ? BOX_REFUSED : 1);
    if (write(report, "x", 1) != 1)
        _exit(1);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            break;
        if (!WIFSTOPPED(status))
            continue;
        int event = status >> 16, number = WSTOPSIG(status);
        counts[0] += event == PTRACE_EVENT_EXEC;
        counts[1] += event == PTRACE_EVENT_EXIT;
        if (event == PTRACE_EVENT_STOP && number != SIGTRAP)
            ptrace(PTRACE_LISTEN, pid, NULL, NULL); /* a stop of the whole process, not the debugger's */
        else
            ptrace(PTRACE_CONT, pid, NULL, event ? 0L : (long)number);
    }
    _exit(write(report, counts, sizeof counts) != sizeof counts);
}

void test_main(void)
{
    int report[2], counts[2], status;
    char byte;
    CHECK_INT(pipe(report), ==, 0);
    app *a = box_start(.variant = "");
    app_wait_out(a, "master ready");
    pid_t tracer = fork();
    CHECK(tracer >= 0);
    if (tracer == 0)
        debug(a->pid, report[1]);
    close(report[1]);
    if (read(report[0], &byte, 1) != 1) {
        CHECK_INT(waitpid(tracer, &status, 0), ==, tracer);
        CHECK_INT(WEXITSTATUS(status), ==, BOX_REFUSED);
        printf("NOT CHECKED: a cluster under a debugger, because this machine does not permit ptrace\n");
        app_stop(a);
        return;
    }
    box_life(a);
    app_expect_err_count(a, "[WARN]", 0);
    app_stop(a);
    /* A respawn and two replacements ran the program, and the master, they and their threads ended. */
    CHECK_INT(read(report[0], counts, sizeof counts), ==, sizeof counts);
    CHECK_INT(counts[0], ==, 3);
    CHECK_INT(counts[1], >=, 4);
    CHECK_INT(waitpid(tracer, &status, 0), ==, tracer);
    CHECK_INT(status, ==, 0);
}
