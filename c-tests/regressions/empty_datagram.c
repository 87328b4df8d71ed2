/* contract 7.3, 4.4: an empty message on a channel is no end of it. From a worker it is one that makes no sense: it is logged and that
   worker counts as crashed. To a worker it does not mean that its master has died. */
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Sends an empty message on each Unix SOCK_SEQPACKET socket of this process: a worker has its channel, the master one for each worker. */
static int send_empty(void)
{
    int sent = 0;
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0, domain = 0;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
            type == SOCK_SEQPACKET && domain == AF_UNIX)
            sent += send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) == 0;
    }
    return sent;
}

static void on_signal(int number)
{
    (void)number;
    CHECK_INT(send_empty(), ==, 1);
}

static int worker(void)
{
    signal(SIGQUIT, on_signal);
    return plain_worker();
}

static bool command(const char *text, char *answer, size_t size)
{
    if (strcmp(text, "send") != 0)
        return false;
    snprintf(answer, size, "sent=%d", send_empty());
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return worker();
    say("master ready");
    cluster_wait_workers();
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);

    test_case("to the workers");
    CHECK_INT(ctl_field(app_ctl(a, "send"), "sent"), ==, 2);
    app_wait_err_times(a, "re:^\\[WARN\\] .*message", 2);
    app_ctl(a, "signal %d", SIGUSR1);
    app_wait_out(a, "worker 0 got 10");
    app_wait_out(a, "worker 1 got 10");

    test_case("from a worker");
    kill(second, SIGQUIT);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 1 .*message");
    app_wait_err(a, "re:^\\[ERROR\\] Worker 1 crashed after [0-9]+ s \\(signal 15\\)$");
    lab_wait_new_pid(a, 1, second);
    app_wait_out_times(a, "worker 1 listening", 2);
    lab_expect_events(a, "start 0; start 1; exit 1 143 crash; start 1");
    CHECK_INT(app_worker_pid(a, 0), ==, first);
    app_expect_err_count(a, "orker 0", 0);
    app_stop(a);
}
