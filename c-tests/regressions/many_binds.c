/* contract 7.3, 5.2: a worker that binds and listens very often, in vain or elsewhere (a server that looks for a free port, an FTP
   server), does not flood its channel: it is left alone, and so are its neighbours. */
#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BINDS 20000
#define LISTENS 5000

static volatile sig_atomic_t told = 0;

static void on_signal(int number)
{
    (void)number;
    told = 1;
}

static int bind_to(const char *address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, address, &name.sin_addr);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    CHECK_INT(errno, ==, EADDRINUSE);
    close(fd);
    return -1;
}

static void bind_in_vain(const char *address, uint16_t port)
{
    for (int i = 0; i < BINDS; i++)
        CHECK_INT(bind_to(address, port), ==, -1);
}

/* On an address of its own for each, so that the ports in TIME_WAIT and the like do not run out; the port is always the same. */
static void listen_elsewhere(uint16_t port)
{
    for (int i = 0; i < LISTENS; i++) {
        char address[32];
        snprintf(address, sizeof address, "127.1.%d.%d", i / 250, 1 + i % 250);
        int fd = bind_to(address, port);
        CHECK_INT(fd, >=, 0);
        CHECK_INT(listen(fd, 1), ==, 0);
        close(fd);
    }
}

/* Until the master has read what was told: the channel is the only Unix SOCK_SEQPACKET socket of a worker. */
static void wait_for_master(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0, unread = 1;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
            continue;
        while (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        say("worker %u was heard", cluster_worker_id());
    }
}

static uint16_t other_port(char **argv)
{
    int port = 0;
    CHECK_INT(sscanf(argv[4], "%d", &port), ==, 1);
    return (uint16_t)port;
}

static char **arguments;

static int worker(void)
{
    lab_obey();
    signal(SIGQUIT, on_signal);
    plain_listen("127.0.0.1", cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    while (!told)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    bind_in_vain("127.0.0.1", other_port(arguments));
    bind_in_vain("127.0.0.2", cluster_get_port());
    listen_elsewhere(other_port(arguments));
    wait_for_master();
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    arguments = argv;
    return lab_main(&options, argc, argv, worker);
}

void test_main(void)
{
    char text[16];
    uint16_t port = free_port();
    snprintf(text, sizeof text, "%u", (unsigned)port);
    int taken = bind_to("127.0.0.1", port);
    CHECK_INT(taken, >=, 0);
    app *a = app_start(.control = true, .args = (const char *const[]){text, NULL});
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    int also_taken = bind_to("127.0.0.2", a->port);
    CHECK_INT(also_taken, >=, 0);
    pid_t first = app_worker_pid(a, 0), second = lab_kill(a, 1, SIGQUIT);
    app_wait_out(a, "worker 1 was heard");

    CHECK_INT(app_worker_pid(a, 0), ==, first);
    CHECK_INT(app_worker_pid(a, 1), ==, second);
    lab_expect_events(a, "start 0; start 1");

    /* Its replacement is to listen on the one address that is left. */
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    app_expect_err_count(a, "", 0);
    app_stop(a);
    close(taken);
    close(also_taken);
}
