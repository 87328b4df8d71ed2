/* contract 2.1: what of other sockets on the port is an error, what is a warning, and what does not matter. */
#include "harness.h"
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The variant is the address that the workers listen on. */
int app_main(int argc, char **argv, const char *variant)
{
    /* The first that fails ends the start, so the delay costs no time: but it gives a slow machine the time to fail. */
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_startup_delay_ms = getenv("CT_REFUSED") ? 8000 : 0};
    if (cluster_init(&options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    if (!cluster_is_worker()) {
        CHECK_INT(cluster_get_port(), ==, 0);
        say("init failed");
        return 3;
    }
    return server_serve_at(variant, cluster_get_port());
}

static int open_socket(const char *address, uint16_t port, int option)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(inet_pton(AF_INET, address, &v4.sin_addr), ==, 1);
    if (option != 0)
        CHECK_INT(setsockopt(fd, SOL_SOCKET, option, &on, sizeof on), ==, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&v4, sizeof v4), ==, 0);
    return fd;
}

static int listen_on(const char *address, uint16_t port, int option)
{
    int fd = open_socket(address, port, option);
    CHECK_INT(listen(fd, 16), ==, 0);
    return fd;
}

/* The cluster must be refused with one [ERROR] line that names the port, whatever [WARN] lines come before it. */
static void expect_error(uint16_t port, const char *address)
{
    char names_port[64];
    snprintf(names_port, sizeof names_port, "re:^\\[ERROR\\] .*[^0-9]%u[^0-9]", (unsigned)port);
    app *a = app_start(.variant = address, .port = port, .env = (const char *const[]){"CT_REFUSED=1", NULL});
    app_expect_exit(a, 3);
    app_expect_none_left(a);
    app_expect_out_count(a, "init failed", 1);
    app_expect_err_count(a, "[ERROR]", 1);
    app_expect_err_count(a, names_port, 1);
}

/* The cluster must start, with so many [WARN] lines that name the port, and no other line. */
static void expect_start(uint16_t port, const char *address, int warnings)
{
    char names_port[64];
    snprintf(names_port, sizeof names_port, "re:^\\[WARN\\] .*[^0-9]%u([^0-9]|$)", (unsigned)port);
    app *a = app_start(.variant = address, .port = port);
    app_wait_out(a, "master ready");
    app_wait_out(a, "worker 0 listening");
    app_wait_out(a, "worker 1 listening");
    app_stop(a);
    app_expect_err_count(a, names_port, warnings);
    app_expect_err_count(a, "", warnings);
}

static void on_every_address(void)
{
    test_case("somebody listens on every address");
    uint16_t port = free_port();
    int fd = listen_on("0.0.0.0", port, 0);
    expect_error(port, "0.0.0.0");
    close(fd);
    fd = listen_on("0.0.0.0", port, SO_REUSEADDR); /* as servers do */
    expect_error(port, "0.0.0.0");
    close(fd);
    expect_start(port, "0.0.0.0", 0);
}

static void on_every_address_v6(void)
{
    test_case("somebody listens on [::], which takes IPv4 too");
    uint16_t port = free_port();
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
        bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 16) != 0) {
        printf("NOT CHECKED: a listener on [::], because there is no IPv6 here\n");
    } else {
        expect_error(port, "0.0.0.0");
    }
    close(fd);
}

static void on_one_address(void)
{
    test_case("somebody listens on one address, the workers on another");
    uint16_t port = free_port();
    int fd = listen_on("127.0.0.1", port, SO_REUSEADDR);
    expect_start(port, "127.0.0.2", 1);
    /* The workers' own wildcard bind cannot succeed beside it: an error in the end. */
    test_case("somebody listens on one address, the workers want all");
    expect_error(port, "0.0.0.0");
    close(fd);
}

static void sharing(void)
{
    test_case("somebody listens with SO_REUSEPORT");
    uint16_t port = free_port();
    int fd = listen_on("0.0.0.0", port, SO_REUSEPORT);
    expect_start(port, "0.0.0.0", 1);
    close(fd);
}

static void bound_only(void)
{
    test_case("somebody has bound the port and does not listen: the workers' bind tells");
    uint16_t port = free_port();
    int fd = open_socket("0.0.0.0", port, 0);
    expect_error(port, "0.0.0.0");
    close(fd);
}

/* A listener that ended with connections open leaves them in TIME_WAIT on its port for a minute. */
static void time_wait(void)
{
    test_case("connections in TIME_WAIT");
    uint16_t port = free_port();
    int listener = listen_on("127.0.0.1", port, SO_REUSEADDR);
    int client = http_open(port), server = accept(listener, NULL, NULL);
    CHECK_INT(server, >=, 0);
    close(server); /* closes first: TIME_WAIT is on the server's side */
    char byte;
    CHECK_INT(read(client, &byte, 1), ==, 0);
    close(client);
    close(listener);
    expect_start(port, "0.0.0.0", 0);
}

/* What an old server leaves that drains: a connection of the port, without a listener. */
static void old_connection(void)
{
    test_case("a connection of an earlier server is still open");
    uint16_t port = free_port();
    int listener = listen_on("127.0.0.1", port, SO_REUSEADDR);
    int client = http_open(port), server = accept(listener, NULL, NULL);
    CHECK_INT(server, >=, 0);
    close(listener);
    expect_start(port, "0.0.0.0", 0);
    close(server);
    close(client);
}

void test_main(void)
{
    on_every_address();
    on_every_address_v6();
    on_one_address();
    sharing();
    bound_only();
    time_wait();
    old_connection();
}
