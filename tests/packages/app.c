/* contract 9.2, contract 9.4: app PORT, what somebody who has only the documentation writes. Three workers, one request at a time. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ecewo-cluster.h"

/* contract 1.1: what the statistics give, by either convention. */
#ifdef ECEWO_CLUSTER_ZERO_ON_SUCCESS
enum { SUCCESS = 0, FAILURE = -1 };
#else
enum { SUCCESS = 1, FAILURE = 0 };
#endif

static int statistics_are_right(void)
{
    cluster_stats_t stats;
    worker_stats_t worker;
    return cluster_get_stats(&stats) == SUCCESS && stats.total_workers == 3 && cluster_get_stats(NULL) == FAILURE &&
           cluster_get_worker_stats(2, &worker) == SUCCESS && worker.worker_id == 2 &&
           cluster_get_worker_stats(3, &worker) == FAILURE;
}

int main(int argc, char **argv)
{
    Cluster options = {
        .cpus = 3,
        .port = argc > 1 ? (uint16_t)atoi(argv[1]) : 3000,
        .respawn = true,
    };
    if (cluster_init(&options, argc, argv)) {
        if (!statistics_are_right())
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
