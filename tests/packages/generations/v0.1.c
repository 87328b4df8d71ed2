/* contract 10.2: app PORT, what somebody writes who has the documentation of the plugin's v0.1. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ecewo-cluster.h"

static void on_exit_of(uint8_t worker_id, int exit_status, bool is_crash)
{
    ClusterStats stats;
    if (cluster_get_stats(&stats) == 0 && is_crash)
        printf("worker %u crashed with %d, %u are left\n", worker_id, exit_status, stats.active_workers);
}

int main(int argc, char **argv)
{
    Cluster options = {
        .cpus = 3,
        .port = argc > 1 ? (uint16_t)atoi(argv[1]) : 3000,
        .respawn = true,
        .respawn_window_sec = 60,
        .respawn_max_crashes = 5,
        .worker_startup_delay_ms = 1,
        .on_exit = on_exit_of,
    };
    if (cluster_init(&options, argc, argv) == 0) {
        ClusterStats stats;
        if (cluster_get_stats(&stats) != 0 || stats.total_workers != 3)
            return 1;
        cluster_wait_workers();
        return 0;
    }
    if (!cluster_is_worker())
        return 1;

    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(cluster_get_port()) };
    if (bind(s, (struct sockaddr *)&any, sizeof any) != 0 || listen(s, 511) != 0)
        return 1;
    for (;;) {
        char request[4096];
        int c = accept(s, NULL, NULL);
        if (c >= 0 && read(c, request, sizeof request) > 0)
            dprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nworker %u (pid %d)\n",
                    cluster_worker_id(), (int)getpid());
        close(c);
    }
}
