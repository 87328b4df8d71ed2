/* contract 6.2: of several listeners on one address in one worker, the n-th is its successor's n-th. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

static int worker(void)
{
    int listeners[4];
    for (int i = 0; i < 3; i++)
        listeners[i] = rig_listen("127.0.0.1", cluster_get_port(), RIG_REUSEPORT);
    listeners[3] = rig_listen("127.0.0.2", cluster_get_port(), RIG_REUSEPORT);
    return rig_serve(listeners, 4);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    return lab_main(&options, argc, argv, worker);
}

static void read_cookies(app *a, unsigned long long cookies[4])
{
    const char *now = strstr(rig_get("127.0.0.1", a->port, "/cookies"), "cookies ");
    CHECK(now != NULL);
    CHECK_INT(sscanf(now, "cookies %llu %llu %llu %llu", &cookies[0], &cookies[1], &cookies[2], &cookies[3]), ==, 4);
}

void test_main(void)
{
    unsigned long long first[4], now[4];
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    read_cookies(a, first);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            CHECK(first[i] != first[k]);
    for (int round = 0; round < 4; round++) {
        if (round % 2 == 0)
            rig_crash(a, 0);
        else
            rig_restart(a);
        read_cookies(a, now);
        for (int i = 0; i < 4; i++)
            CHECK_MSG(now[i] == first[i], "listener %d is another socket in round %d", i, round);
    }
    app_stop(a);
}
