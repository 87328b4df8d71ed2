/* contract 4.1: besides SIGTERM, SIGINT and SIGUSR2, whose handlers have SA_RESTART and SA_ONSTACK, signals belong to
   the program: the library catches none of them, and handlers installed after cluster_init work and stay. */
#include "lab.h"

#include <stdio.h>

static volatile sig_atomic_t caught[65];

static void on_signal(int number)
{
    caught[number]++;
}

static void expect_flags(int number)
{
    struct sigaction action;
    CHECK_INT(sigaction(number, NULL, &action), ==, 0);
    CHECK(action.sa_flags & SA_RESTART);
    CHECK(action.sa_flags & SA_ONSTACK);
    CHECK(action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

static void expect_untouched(void)
{
    struct sigaction action;
    for (int number = 1; number <= 64; number++) {
        if (number == SIGTERM || number == SIGINT || number == SIGUSR2 || sigaction(number, NULL, &action) != 0)
            continue;
        CHECK_MSG(action.sa_handler == SIG_DFL, "the library changed signal %d", number);
    }
}

static bool command(const char *text, char *answer, size_t size)
{
    int number = 0;
    if (sscanf(text, "caught %d", &number) != 1)
        return false;
    snprintf(answer, size, "times=%d", (int)caught[number]);
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    expect_flags(SIGTERM);
    expect_flags(SIGINT);
    expect_flags(SIGUSR2);
    expect_untouched();
    signal(SIGUSR1, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGALRM, on_signal);
    signal(SIGCHLD, on_signal);
    say("master ready");
    cluster_wait_workers();
    CHECK(signal(SIGUSR1, SIG_DFL) == on_signal);
    CHECK(signal(SIGCHLD, SIG_DFL) == on_signal);
    say("stayed");
    return 0;
}

static void expect_caught(app *a, int number)
{
    kill(a->pid, number);
    WAIT_UNTIL(ctl_field(app_ctl(a, "caught %d", number), "times") > 0);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 1);
    expect_caught(a, SIGUSR1);
    expect_caught(a, SIGHUP);
    expect_caught(a, SIGALRM);
    pid_t old = lab_kill(a, 0, SIGKILL);
    lab_wait_new_pid(a, 0, old);
    WAIT_UNTIL(ctl_field(app_ctl(a, "caught %d", SIGCHLD), "times") > 0);
    kill(a->pid, SIGUSR2); /* and the library's own still work */
    app_wait_out(a, "event exit 0 143 graceful");
    app_expect_out_count(a, " got ", 0); /* no worker was told of the program's signals */
    app_stop(a);
    app_expect_out_count(a, "stayed", 1);
}
