/* contract 6.1, 6.2: whatever a worker listens on, its successor has the very same socket, after a crash and after a restart: any
   address, wildcard or not, both families, a second port without SO_REUSEPORT, and a port of each worker's own. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *address, *client;
    unsigned flags;
    bool is_second; /* not on the cluster's port, but beside it */
} shapes[] = {
    {"any", "0.0.0.0", "127.0.0.1", 0, false},
    {"loopback", "127.0.0.2", "127.0.0.2", 0, false},
    {"v6 only", "::", "::1", RIG_V6ONLY, false},
    {"dual stack", "::", "127.0.0.1", RIG_DUAL, false},
    {"blocking", "127.0.0.1", "127.0.0.1", RIG_BLOCKING, false},
    {"a second port", "127.0.0.1", "127.0.0.1", 0, true},
    {"a second port of both families", "::", "127.0.0.1", RIG_DUAL, true},
    {"a mapped address", "::ffff:127.0.0.1", "127.0.0.1", RIG_DUAL, false},
    {"a second port at v6 loopback", "::1", "::1", 0, true},
    {"v6 loopback", "::1", "::1", 0, false}, /* the kernel makes a socket with such an address IPV6_V6ONLY by itself */
};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

static char **arguments;

static int worker(void)
{
    int shape = atoi(arguments[4]);
    uint16_t second = (uint16_t)atoi(arguments[5]), port = cluster_get_port();
    int listeners[2] = {-1, -1};
    if (shape < SHAPES) {
        if (shapes[shape].is_second)
            listeners[0] = rig_listen("127.0.0.1", port, 0);
        listeners[1] = rig_listen(shapes[shape].address, shapes[shape].is_second ? second : port, shapes[shape].flags & ~RIG_BLOCKING);
    } else {
        listeners[0] = rig_listen("0.0.0.0", port, 0);
        listeners[1] = rig_listen("127.0.0.1", (uint16_t)atoi(arguments[5 + cluster_worker_id()]), 0);
    }
    return rig_serve(listeners, 2);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    arguments = argv;
    return lab_main(&options, argc, argv, worker);
}

static void expect_same_cookies(const char *address, uint16_t port, char *known, size_t size)
{
    const char *now = strstr(rig_get(address, port, "/cookies"), "cookies ");
    CHECK(now != NULL);
    if (!*known)
        snprintf(known, size, "%s", now);
    CHECK_STR(now, known);
}

static app *start(const char *workers, int shape, uint16_t second, uint16_t third)
{
    char number[16], port[16], other[16];
    snprintf(number, sizeof number, "%d", shape);
    snprintf(port, sizeof port, "%u", (unsigned)second);
    snprintf(other, sizeof other, "%u", (unsigned)third);
    app *a = app_start(.variant = workers, .control = true, .args = (const char *const[]){number, port, other, NULL});
    app_wait_out(a, "master ready");
    return a;
}

static void one_shape(int shape)
{
    char known[256] = "";
    test_case(shapes[shape].name);
    uint16_t second = free_port();
    app *a = start("1", shape, second, 0);
    uint16_t port = shapes[shape].is_second ? second : a->port;
    rig_wait_listening(a, 0, 1);
    expect_same_cookies(shapes[shape].client, port, known, sizeof known);
    pid_t first = app_worker_pid(a, 0);
    rig_crash(a, 0);
    expect_same_cookies(shapes[shape].client, port, known, sizeof known);
    rig_restart(a);
    expect_same_cookies(shapes[shape].client, port, known, sizeof known);
    rig_crash(a, 0);
    CHECK_INT(app_worker_pid(a, 0), !=, first);
    expect_same_cookies(shapes[shape].client, port, known, sizeof known);
    app_stop(a);
}

static void one_of_each(void)
{
    char known[2][256] = {"", ""};
    test_case("a port of each worker's own");
    uint16_t ports[2] = {free_port(), free_port()}; /* one for each worker */
    app *a = start("2", SHAPES, ports[0], ports[1]);
    rig_wait_listening(a, 0, 1);
    rig_wait_listening(a, 1, 1);
    for (int round = 0; round < 3; round++) {
        for (int id = 0; id < 2; id++) {
            int worker = -1;
            uint16_t port = ports[id];
            expect_same_cookies("127.0.0.1", port, known[id], sizeof known[id]);
            CHECK_INT(sscanf(rig_get("127.0.0.1", port, "/"), "worker %d", &worker), ==, 1);
            CHECK_INT(worker, ==, id);
        }
        if (round == 0)
            rig_crash(a, 1);
        else
            rig_restart(a);
    }
    app_stop(a);
}

void test_main(void)
{
    bool has_v6 = access("/proc/net/if_inet6", R_OK) == 0 && rig_refused("::1", free_port());
    if (!has_v6)
        printf("NOT CHECKED: IPv6 listeners, for this machine has no ::1\n");
    one_of_each();
    for (int shape = 0; shape < SHAPES; shape++)
        if (has_v6 || !strchr(shapes[shape].address, ':'))
            one_shape(shape);
}
