/* contract 5.2: a worker without a listener on the cluster's port: its replacement is ready when it listens wherever the
   predecessor did; if nowhere (it does jobs), when it has lived 500 ms. */
#include "lab.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static uint16_t other_port = 0;

/* On a port of its own choice a program shares it with its replacement by itself. */
static void listen_elsewhere(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(other_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    CHECK_INT(bind(fd, (struct sockaddr *)&name, sizeof name), ==, 0);
    CHECK_INT(listen(fd, 10), ==, 0);
}

static int worker(void)
{
    lab_obey();
    if (other_port != 0) {
        if (strcmp(release_own(), "2") == 0)
            gate_wait("listen");
        listen_elsewhere();
    }
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    other_port = (uint16_t)atoi(argv[4]);
    return lab_main(&options, argc, argv, worker);
}

static app *start(const char *port)
{
    const char *path = lab_path("app");
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path, .env = lab_env(), .args = (const char *const[]){port, NULL});
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 1);
    release_install(path, "2");
    return a;
}

static void expect_replaced(app *a)
{
    app_wait_out(a, "event exit 0 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 0; exit 0 143 graceful");
    CHECK_STR(release_of_worker(a, 0), "2");
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}

void test_main(void)
{
    char port[16];
    snprintf(port, sizeof port, "%u", (unsigned)free_port());
    test_case("on another port");
    app *a = start(port);
    pid_t old = app_worker_pid(a, 0);
    app_ctl(a, "restart");
    /* Longer than the 500 ms after which one that need not listen is ready. */
    lab_wait_for(900);
    CHECK_INT(app_worker_pid(a, 0), ==, old);
    lab_expect_events(a, "start 0");
    gate_open("listen");
    expect_replaced(a);

    test_case("nowhere");
    app *b = start("0");
    int64_t before = ct_now_ms();
    app_ctl(b, "restart");
    app_wait_out_times(b, "event start 0", 2);
    CHECK_INT(lab_event_ms(b, 1) - before, >=, 498);
    expect_replaced(b);
}
