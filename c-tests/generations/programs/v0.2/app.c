/* A server as users of ecewo 4 and of the plugin's v0.2 write them. */
#include "ecewo-cluster.h"
#include "ecewo.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void print_workers(void)
{
    uint8_t n = ecewo_cluster_worker_count();
    ecewo_worker_stats_t **workers = malloc(n * sizeof *workers);
    if (!workers)
        return;
    for (uint8_t i = 0; i < n; i++)
        workers[i] = ecewo_worker_stats_new();

    int count = ecewo_cluster_get_all_workers(workers, n);
    for (int i = 0; i < count; i++)
        printf("  worker %u: pid %d, port %u, status %d, %llds, %u crashes%s\n", ecewo_worker_stats_id(workers[i]),
               ecewo_worker_stats_pid(workers[i]), ecewo_worker_stats_port(workers[i]),
               (int)ecewo_worker_stats_status(workers[i]), (long long)ecewo_worker_stats_uptime_seconds(workers[i]),
               ecewo_worker_stats_crash_count(workers[i]),
               ecewo_worker_stats_respawn_disabled(workers[i]) ? ", disabled" : "");

    for (uint8_t i = 0; i < n; i++)
        ecewo_worker_stats_free(workers[i]);
    free(workers);
}

static void print_stats(void)
{
    ecewo_cluster_stats_t *stats = ecewo_cluster_stats_new();
    if (ecewo_cluster_get_stats(stats) == 0)
        printf("cluster: %u workers, %u active, %u crashed, %u disabled, %lu restarts%s%s\n",
               ecewo_cluster_stats_total_workers(stats), ecewo_cluster_stats_active_workers(stats),
               ecewo_cluster_stats_crashed_workers(stats), ecewo_cluster_stats_disabled_workers(stats),
               (unsigned long)ecewo_cluster_stats_total_restarts(stats),
               ecewo_cluster_stats_shutdown_requested(stats) ? ", stopping" : "",
               ecewo_cluster_stats_restart_requested(stats) ? ", restarting" : "");
    else
        printf("no statistics\n");
    ecewo_cluster_stats_free(stats);
    print_workers();
    fflush(stdout);
}

static void on_worker_start(uint8_t worker_id)
{
    ecewo_worker_stats_t *w = ecewo_worker_stats_new();
    if (ecewo_cluster_get_worker_stats(worker_id, w) == 0 && ecewo_worker_stats_status(w) == ECEWO_WORKER_ACTIVE)
        printf("worker %u runs as %d\n", worker_id, ecewo_worker_stats_pid(w));
    ecewo_worker_stats_free(w);
    fflush(stdout);
}

static void on_worker_exit(uint8_t worker_id, int exit_status, bool is_crash)
{
    printf("worker %u %s with %d\n", worker_id, is_crash ? "crashed" : "exited", exit_status);
    print_stats();
}

static void reload(int signum)
{
    (void)signum;
    ecewo_cluster_graceful_restart();
}

static void handle_index(ecewo_request_t *req, ecewo_response_t *res)
{
    char *text = ecewo_sprintf(ecewo_req_arena(req), "worker %u pid %d", ecewo_cluster_worker_id(), (int)getpid());
    ecewo_send_text(res, ECEWO_OK, text);
}

static void handle_crash(ecewo_request_t *req, ecewo_response_t *res)
{
    (void)req, (void)res;
    abort();
}

int main(int argc, char *argv[])
{
    const char *port = getenv("PORT");
    ecewo_cluster_config_t *cfg = ecewo_cluster_config_new();
    ecewo_cluster_config_set_cpus(cfg, 2);
    ecewo_cluster_config_set_port(cfg, (uint16_t)(port ? atoi(port) : 3000));
    ecewo_cluster_config_set_respawn(cfg, true);
    ecewo_cluster_config_set_shutdown_timeout(cfg, 5000);
    ecewo_cluster_config_set_respawn_window(cfg, 60);
    ecewo_cluster_config_set_respawn_max_crashes(cfg, 2);
    ecewo_cluster_config_set_worker_startup_delay(cfg, 10);
    ecewo_cluster_config_set_worker_respawn_delay(cfg, 10);
    ecewo_cluster_config_set_on_start(cfg, on_worker_start);
    ecewo_cluster_config_set_on_exit(cfg, on_worker_exit);

    ecewo_cluster_role_t role = ecewo_cluster_init(cfg, argc, argv);
    ecewo_cluster_config_free(cfg);

    switch (role) {
    case ECEWO_CLUSTER_ROLE_MASTER:
        signal(SIGHUP, reload);
        printf("master of %u workers\n", ecewo_cluster_worker_count());
        print_stats();
        ecewo_cluster_wait();
        printf("the end\n");
        return 0;

    case ECEWO_CLUSTER_ROLE_WORKER: {
        ecewo_app_t *app = ecewo_create();
        if (!app)
            return 1;
        ECEWO_GET(app, "/", handle_index);
        ECEWO_GET(app, "/crash", handle_crash);
        return ecewo_listen(app, ecewo_cluster_port()) == 0 ? 0 : 1;
    }

    case ECEWO_CLUSTER_ROLE_ERROR:
    default:
        fprintf(stderr, "no cluster\n");
        return 1;
    }
}
