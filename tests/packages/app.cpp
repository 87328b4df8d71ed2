// app PORT: app.c as C++. Three workers, one request at a time.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "ecewo-cluster.h"

namespace {

// contract 1.1: what the statistics give, by either convention.
#ifdef ECEWO_CLUSTER_ZERO_ON_SUCCESS
const int success = 0, failure = -1;
#else
const int success = 1, failure = 0;
#endif

bool statistics_are_right()
{
    cluster_stats_t stats;
    worker_stats_t worker;
    return cluster_get_stats(&stats) == success && stats.total_workers == 3 && cluster_get_stats(nullptr) == failure &&
           cluster_get_worker_stats(2, &worker) == success && worker.worker_id == 2 &&
           cluster_get_worker_stats(3, &worker) == failure;
}

int serve()
{
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any = sockaddr_in();
    any.sin_family = AF_INET;
    any.sin_port = htons(cluster_get_port());
    if (bind(s, reinterpret_cast<sockaddr *>(&any), sizeof any) != 0 || listen(s, 511) != 0)
        return 1;
    for (;;) {
        char request[4096];
        const int c = accept(s, nullptr, nullptr);
        if (c >= 0 && read(c, request, sizeof request) > 0) {
            const std::string answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nworker " +
                                       std::to_string(cluster_worker_id()) + " (pid " + std::to_string(getpid()) + ")\n";
            if (write(c, answer.data(), answer.size()) < 0)
                return 1;
        }
        close(c);
    }
}

} // namespace

int main(int argc, char **argv)
{
    std::signal(SIGPIPE, SIG_IGN);
    Cluster options = Cluster();
    options.cpus = 3;
    options.port = argc > 1 ? static_cast<uint16_t>(std::atoi(argv[1])) : 3000;
    options.respawn = true;
    if (cluster_init(&options, argc, argv)) {
        if (!statistics_are_right())
            return 1;
        cluster_wait_workers();
        return 0;
    }
    return cluster_is_worker() ? serve() : 1;
}
