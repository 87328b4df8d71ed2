/* A server as users of ecewo 3 and of the plugin's v0.1 wrote them. */
#include "ecewo-cluster.h"
#include "ecewo.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void print_stats(void)
{
    ClusterStats stats;
    WorkerStats workers[8];

    if (cluster_get_stats(&stats) != 0) {
        printf("no statistics\n");
        return;
    }
    printf("cluster: %u workers, %u active, %u crashed, %u disabled, %lu restarts%s%s\n", stats.total_workers,
           stats.active_workers, stats.crashed_workers, stats.disabled_workers, (unsigned long)stats.total_restarts,
           stats.shutdown_requested ? ", stopping" : "", stats.restart_requested ? ", restarting" : "");

    int count = cluster_get_all_workers(workers, 8);
    for (int i = 0; i < count; i++) {
        WorkerStats *w = &workers[i];
        printf("  worker %u: pid %d, port %u, status %d, %lds, %u crashes%s\n", w->worker_id, w->pid, w->port,
               (int)w->status, (long)w->uptime_seconds, w->crash_count, w->respawn_disabled ? ", disabled" : "");
    }
    fflush(stdout);
}

static void worker_started(uint8_t worker_id)
{
    WorkerStats w;
    if (cluster_get_worker_stats(worker_id, &w) == 0 && w.status == WORKER_ACTIVE)
        printf("worker %u runs as %d\n", worker_id, w.pid);
    fflush(stdout);
}

static void worker_ended(uint8_t worker_id, int exit_status, bool is_crash)
{
    printf("worker %u %s with %d\n", worker_id, is_crash ? "crashed" : "exited", exit_status);
    print_stats();
}

static void reload(int signal)
{
    (void)signal;
    cluster_graceful_restart();
}

static void handle_index(Req *req, Res *res)
{
    send_text(res, OK, arena_sprintf(req->arena, "worker %u pid %d", cluster_worker_id(), (int)getpid()));
}

static void handle_crash(Req *req, Res *res)
{
    (void)req, (void)res;
    abort();
}

int main(int argc, char *argv[])
{
    const char *port = getenv("PORT");
    Cluster opts = {
        .cpus = 2,
        .port = (uint16_t)(port ? atoi(port) : 3000),
        .respawn = true,
        .shutdown_timeout_ms = 5000,
        .respawn_window_sec = 60,
        .respawn_max_crashes = 2,
        .worker_startup_delay_ms = 10,
        .worker_respawn_delay_ms = 10,
        .on_start = worker_started,
        .on_exit = worker_ended,
    };

    if (cluster_init(&opts, argc, argv) == 0) {
        signal(SIGHUP, reload);
        printf("master of %u workers\n", cluster_worker_count());
        print_stats();
        cluster_wait_workers();
        printf("the end\n");
        return 0;
    }
    if (!cluster_is_worker()) {
        fprintf(stderr, "no cluster\n");
        return EXIT_FAILURE;
    }

    if (server_init() != 0)
        return EXIT_FAILURE;
    get("/", handle_index);
    get("/crash", handle_crash);
    if (server_listen(cluster_get_port()) != 0)
        return EXIT_FAILURE;
    server_run();
    return 0;
}
