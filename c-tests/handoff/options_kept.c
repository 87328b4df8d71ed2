/* contract 6.2: options that a program sets before bind are on the listener that it gets, also if its predecessor, an older release,
   had others; connections inherit them. */
#include "rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
    const char *name;
    int level, option, first, second;
} options_set[] = {
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1, 0},
    {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 33, 44},
    {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 5, 6},
    {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 3, 4},
    {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 5000, 6000},
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1, 0},
    {"TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 3},
    {"IP_TOS", IPPROTO_IP, IP_TOS, 0, 0x10},
    {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 65536, 32768},
    {"SO_LINGER", SOL_SOCKET, SO_LINGER, 0, 7},
};
#define OPTIONS (sizeof options_set / sizeof *options_set)

static int wanted(size_t i)
{
    return gate_is_open("second") ? options_set[i].second : options_set[i].first;
}

static void set(int fd, size_t i)
{
    int value = wanted(i);
    struct linger linger = {.l_onoff = value != 0, .l_linger = value};
    bool is_linger = options_set[i].option == SO_LINGER && options_set[i].level == SOL_SOCKET;
    const void *place = is_linger ? (const void *)&linger : (const void *)&value;
    socklen_t size = is_linger ? sizeof linger : sizeof value;
    CHECK_INT(setsockopt(fd, options_set[i].level, options_set[i].option, place, size), ==, 0);
}

/* The kernel doubles buffer sizes, and rounds TCP_DEFER_ACCEPT up. */
static void check(int fd, size_t i, const char *what)
{
    int value[2] = {0, 0};
    socklen_t size = sizeof value;
    CHECK_INT(getsockopt(fd, options_set[i].level, options_set[i].option, value, &size), ==, 0);
    int actual = value[0], expected = wanted(i);
    if (options_set[i].option == SO_LINGER && options_set[i].level == SOL_SOCKET)
        actual = value[0] ? value[1] : 0;
    if (options_set[i].option == SO_RCVBUF && options_set[i].level == SOL_SOCKET)
        expected *= 2;
    bool holds = options_set[i].option == TCP_DEFER_ACCEPT && options_set[i].level == IPPROTO_TCP
                     ? (actual == 0) == (expected == 0)
                     : actual == expected;
    CHECK_MSG(holds, "%s of %s is %d, not %d", options_set[i].name, what, actual, expected);
}

static size_t checked;

static int worker(void)
{
    int fd = rig_socket("127.0.0.1", 0);
    for (size_t i = 0; i < checked; i++)
        set(fd, i);
    CHECK_INT(rig_bind_to(fd, "127.0.0.1", cluster_get_port()), ==, 0);
    for (size_t i = 0; i < checked; i++)
        check(fd, i, "the bound socket");
    CHECK_INT(listen(fd, 10), ==, 0);
    for (size_t i = 0; i < checked; i++)
        check(fd, i, "the listener");
    return rig_serve(&fd, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    checked = (size_t)atoi(variant);
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    unlink(lab_path("gate-second"));
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    rig_crash(a, 0);
    gate_open("second");
    rig_restart(a);
    rig_wait_listening(a, 0, 3);
    rig_crash(a, 0);
    rig_get("127.0.0.1", a->port, "/");
    app_expect_err_count(a, "CHECK", 0);
    app_stop(a);
}

void test_main(void)
{
    one("8");  /* those that servers set */
    one("10"); /* and all that the kernel hands on to connections */
}
