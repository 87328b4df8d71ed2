/* contract 10.2: app PORT, what somebody writes who has the documentation of the plugin's v0.2. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ecewo-cluster.h"

static int serve(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(ecewo_cluster_port()) };
    if (bind(s, (struct sockaddr *)&any, sizeof any) != 0 || listen(s, 511) != 0)
        return 1;
    for (;;) {
        char request[4096];
        int c = accept(s, NULL, NULL);
        if (c >= 0 && read(c, request, sizeof request) > 0)
            dprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nworker %u (pid %d)\n",
                    ecewo_cluster_worker_id(), (int)getpid());
        close(c);
    }
}

int main(int argc, char **argv)
{
    ecewo_cluster_config_t *config = ecewo_cluster_config_new();
    ecewo_cluster_config_set_cpus(config, 3);
    ecewo_cluster_config_set_port(config, argc > 1 ? (uint16_t)atoi(argv[1]) : 3000);
    ecewo_cluster_config_set_respawn(config, true);
    ecewo_cluster_role_t role = ecewo_cluster_init(config, argc, argv);
    ecewo_cluster_config_free(config);
    switch (role) {
    case ECEWO_CLUSTER_ROLE_MASTER:
        ecewo_cluster_wait();
        return 0;
    case ECEWO_CLUSTER_ROLE_WORKER:
        return serve();
    case ECEWO_CLUSTER_ROLE_ERROR:
    default:
        return 1;
    }
}
