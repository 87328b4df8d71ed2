/* contract 3.7, 4.1: as PID 1 the master reaps orphans of other sessions whatever the program does with SIGCHLD: a handler of its own
   with SA_SIGINFO, which it goes on being called with all that belongs to it, installed before cluster_init or after it; the signal
   blocked. Where there is no PID namespace: the same program, with what of this holds for any master. */
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t called = 0, wrong = 0;

static void on_child(int number, siginfo_t *info, void *context)
{
    if (number != SIGCHLD || !info || info->si_signo != SIGCHLD || info->si_pid <= 0 || !context)
        wrong++;
    called++;
}

static void install_handler(void)
{
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK_INT(sigaction(SIGCHLD, &action, NULL), ==, 0);
}

static void block(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    CHECK_INT(sigprocmask(SIG_BLOCK, &set, NULL), ==, 0);
}

/* A child of the program's own: its status stays the program's. */
static int run_child(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(17);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool command(const char *text, char *answer, size_t size)
{
    int pid = 0;
    if (strcmp(text, "orphan") == 0)
        snprintf(answer, size, "pid=%d", (int)pid1_make_orphan(true));
    else if (strcmp(text, "child") == 0)
        snprintf(answer, size, "status=%d", run_child());
    else if (strcmp(text, "handler") == 0)
        snprintf(answer, size, "called=%d wrong=%d", (int)called, (int)wrong);
    else if (sscanf(text, "state %d", &pid) == 1)
        snprintf(answer, size, "state=%d", proc_state(pid));
    else
        return false;
    return true;
}

/* The variant: "namespace <what>" or "run <what>". */
int app_main(int argc, char **argv, const char *variant)
{
    char run[64];
    if (sscanf(variant, "namespace %40[^\n]", run) == 1) {
        memmove(run + 4, run, strlen(run) + 1);
        memcpy(run, "run ", 4);
        return pid1_run(argv, run);
    }
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    if (strstr(variant, "handler before"))
        install_handler();
    if (strstr(variant, "blocked"))
        block();
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    if (strstr(variant, "handler after"))
        install_handler();
    say("master ready as %d", (int)getpid());
    cluster_wait_workers();
    struct sigaction action;
    CHECK_INT(sigaction(SIGCHLD, NULL, &action), ==, 0);
    CHECK((action.sa_sigaction == on_child) == (strstr(variant, "handler") != NULL)); /* as before, or the program's own choice */
    return 0;
}

static int reaped(app *a, int pid)
{
    return ctl_field(app_ctl(a, "state %d", pid), "state") == 0;
}

static void expect_reaped(app *a)
{
    int pid = (int)ctl_field(app_ctl(a, "orphan"), "pid");
    CHECK_INT(pid, >, 1);
    WAIT_UNTIL(reaped(a, pid));
}

static app *start(const char *what)
{
    static char variant[64];
    test_case(what);
    snprintf(variant, sizeof variant, "namespace %s", what);
    app *a = app_start(.control = true, .variant = variant);
    if (!pid1_is_refused(a))
        return a;
    printf("NOT CHECKED: what a master does as PID 1, because this machine gives no PID namespace: %s", a->out.data);
    snprintf(variant, sizeof variant, "run %s", what);
    a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    return a;
}

static void orphans(const char *what)
{
    app *a = start(what);
    bool first = app_count_out(a, "re:^master ready as 1$") == 1;
    for (int round = 0; round < 3 && first; round++)
        expect_reaped(a);
    CHECK_INT(ctl_field(app_ctl(a, "child"), "status"), ==, 17);
    lab_wait_listening(a, 2);
    app_ctl(a, "signal %d", SIGALRM); /* both workers crash: their ends are noticed as ever */
    app_wait_err_times(a, "re:^\\[ERROR\\] Worker [01] crashed after [0-9]+ s \\(signal 14\\)$", 2);
    app_wait_out_times(a, "event start", 4);
    if (first)
        expect_reaped(a);
    const char *handler = app_ctl(a, "handler");
    CHECK_INT(ctl_field(handler, "wrong"), ==, 0);
    if (strstr(what, "handler") && !strstr(what, "blocked"))
        CHECK_INT(ctl_field(handler, "called"), >, 0);
    app_expect_err_count(a, "[WARN]", 0);
    app_stop(a);
}

void test_main(void)
{
    orphans("default disposition");
    orphans("handler before");
    orphans("blocked");
    orphans("handler before, blocked");
    orphans("handler after");
}
