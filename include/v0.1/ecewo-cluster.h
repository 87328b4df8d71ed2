/*
 * ecewo-cluster: one worker process per core on one port, supervised by a master process.
 *
 * This is the interface of the plugin's version 0.1, for programs written for it.
 *
 * A program calls cluster_init() at the start of main(). In the process that the user started, it starts the
 * workers and returns 0: call cluster_wait_workers() then. In a worker, which is a fresh execution of the same
 * program with the same arguments, it returns -1: be the server then, on cluster_get_port(). After an error it returns -1,
 * too: cluster_is_worker() tells the two apart.
 *
 *     int main(int argc, char **argv)
 *     {
 *         Cluster options = { .cpus = cluster_cpus(), .port = 3000, .respawn = true };
 *         if (cluster_init(&options, argc, argv) == 0) {
 *             cluster_wait_workers();
 *             return 0;
 *         }
 *         if (!cluster_is_worker())
 *             return 1;
 *         return serve(cluster_get_port());
 *     }
 *
 * An error is one line on stderr that begins with [ERROR] and says what to do.
 *
 * Which function may be called where:
 *   - from any thread and from a signal handler: all but cluster_init(), cluster_wait_workers(), cluster_cpus() and
 *     cluster_cpus_physical(). They take no lock, allocate nothing and keep errno.
 *   - from any thread, not from a signal handler: cluster_cpus(), cluster_cpus_physical().
 *   - cluster_init() and cluster_wait_workers(): one thread at a time, in the order above.
 *
 * cluster_init() and the statistics have the names of functions in the interface without a version, and other types and
 * values. The library has both: __asm__("...") below says which symbol a name stands for here.
 *
 * This file is generated from the library's sources. Linux 5.4 or newer, 64-bit; gcc, clang, or a compiler that knows
 * assembler labels as they do.
 */

#ifndef ECEWO_CLUSTER_H
#define ECEWO_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/**
 * What a worker is doing.
 */
typedef enum {
  /**
   * Its process is being made, or it has not been started yet.
   */
  WORKER_STARTING,
  /**
   * Its process runs the program.
   */
  WORKER_ACTIVE,
  /**
   * It was told to stop, or has ended gracefully.
   */
  WORKER_STOPPING,
  /**
   * It crashed and is not started again, because respawn is false.
   */
  WORKER_CRASHED,
  /**
   * It crashed, and its replacement is about to be started.
   */
  WORKER_RESPAWNING,
  /**
   * It crashed too often within the window: it is not started again before the next graceful restart.
   */
  WORKER_DISABLED,
} WorkerStatus;

/**
 * What cluster_init() is to do. Set every field that you do not need to 0 (a designated initializer does).
 *
 * In every numeric field but port, 0 means the default.
 */
typedef struct {
  /**
   * Number of workers, 1 to 255. Default: the number that cluster_cpus() gives.
   */
  uint8_t cpus;
  /**
   * TCP port that the workers listen on, 1 to 65535. No default: 0 is an error.
   */
  uint16_t port;
  /**
   * Whether a worker that crashed is started again. A worker that ended gracefully never is.
   */
  bool respawn;
  /**
   * Milliseconds that a worker has to end after it was told to stop; then it is killed with SIGKILL. In a graceful
   * restart an old worker has the first half of it to finish the requests that it has; SIGTERM follows, at once if
   * there are none. Default: 15000.
   */
  uint32_t shutdown_timeout_ms;
  /**
   * Crash protection: length of the window in seconds. Default: 5.
   */
  uint32_t respawn_window_sec;
  /**
   * Crash protection: so many crashes of one worker within the window disable it: it is not started again
   * until the next graceful restart. Default: 3.
   */
  uint8_t respawn_max_crashes;
  /**
   * Milliseconds between the start of one worker and the start of the next. Default: at most 100, less where the
   * worker just started listens earlier. A value that you set is always kept.
   */
  uint32_t worker_startup_delay_ms;
  /**
   * Milliseconds between a worker's crash and the start of its replacement. Default: 100.
   */
  uint32_t worker_respawn_delay_ms;
  /**
   * Called in the master when a process has become the worker with this id: at the start (before cluster_init()
   * returns), at a respawn, and in a graceful restart as soon as the replacement is ready. NULL: no call.
   *
   * Both callbacks run on the thread that is inside cluster_init() or cluster_wait_workers(). The statistics already
   * show the event, no lock is held, and every function of this header may be called from them.
   */
  void (*on_start)(uint8_t worker_id);
  /**
   * Called in the master when a process that was the worker with this id has ended. NULL: no call.
   *
   * exit_status is the exit code, or 128 plus the signal's number, or 255 where the status was lost because the
   * program itself took it. is_crash is false for an exit with 0, a death by SIGTERM or SIGINT, and any end
   * after the master told the worker to stop. In a graceful restart on_start of the replacement comes first.
   */
  void (*on_exit)(uint8_t worker_id, int exit_status, bool is_crash);
} Cluster;

/**
 * The whole cluster.
 */
typedef struct {
  /**
   * Number of workers that cluster_init() was told to run.
   */
  uint8_t total_workers;
  /**
   * How many of them are WORKER_ACTIVE.
   */
  uint8_t active_workers;
  /**
   * How many of them are WORKER_CRASHED.
   */
  uint8_t crashed_workers;
  /**
   * How many of them are WORKER_DISABLED.
   */
  uint8_t disabled_workers;
  /**
   * Whether the cluster was told to stop.
   */
  bool shutdown_requested;
  /**
   * Whether a graceful restart was asked for and the last old process is not gone yet.
   */
  bool restart_requested;
  /**
   * Replacements that became their slot's worker, after a crash or in a graceful restart, since cluster_init().
   */
  uint64_t total_restarts;
} ClusterStats;

/**
 * One worker. During a graceful restart it describes the old process until the replacement is ready.
 */
typedef struct {
  /**
   * 0 to cluster_worker_count() - 1.
   */
  uint8_t worker_id;
  /**
   * Process id; 0 while no process runs.
   */
  int pid;
  /**
   * The cluster's port.
   */
  uint16_t port;
  /**
   * What it is doing.
   */
  WorkerStatus status;
  /**
   * When its latest process was started, in seconds since 1970; 0 before the first one.
   */
  time_t start_time;
  /**
   * Seconds since then, by a clock that nobody can set; 0 while no process runs.
   */
  time_t uptime_seconds;
  /**
   * How its last process that ended did: the exit code, or 128 plus the signal's number; 255 where that was lost because the
   * program itself waited for it. 0 before the first end.
   */
  int exit_status;
  /**
   * Crashes within the window that ended with the latest crash; 0 after a graceful restart.
   */
  uint8_t crash_count;
  /**
   * Whether crash protection stopped its respawning.
   */
  bool respawn_disabled;
} WorkerStats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts the cluster, or takes a worker's part in it. Call it once, early in main(), with main's own arguments.
 *
 * Returns 0 in the master: every worker listens or has exited, or 500 ms have passed since the last one was started.
 * Returns -1 in a worker, at once. Returns -1 after an error, too, with one [ERROR] line on stderr, with nothing left
 * running, and with both cluster_is_master() and cluster_is_worker() false: ask cluster_is_worker() before you serve.
 * Errors are: options or argv NULL, argc below 1, port 0, a port that this user may not use (below 1024, mostly), a port
 * in use, workers that cannot be started (a program file that does not start, too few descriptors or processes
 * allowed), and a second call, which leaves a running cluster and its answers as they are.
 *
 * A worker runs the same program file with argv as its arguments, in the directory that the program was started in,
 * with the environment as it is at this call, plus ECEWO_WORKER_ID (its id) and without ECEWO_WORKER. A worker that
 * finds its master gone, or that was put into the background before this call, prints an [ERROR] line and ends with
 * exit code 78. In a worker stdin is /dev/null, it leads a session of its own, its signal mask is empty, and no signal
 * is ignored but SIGPIPE if the master ignores that.
 *
 * In the master, SIGTERM, SIGINT and SIGUSR2 are handled by the library from here until cluster_wait_workers()
 * returns: the first two stop the cluster (a second SIGINT kills it), SIGUSR2 restarts it gracefully. If one of the first two
 * comes during this call, cluster_wait_workers() does the shutdown. A SIGCHLD that is ignored gets its default action for that
 * time. The soft limit of descriptors may be raised for the master, and the process is named ecewo:master.
 *
 * If the master ends by any cause, each worker sends itself SIGTERM at once, and SIGKILL after shutdown_timeout_ms.
 *
 * A program that is started with --cluster-worker ID PORT among its arguments is a worker without a master: this returns as in a
 * worker, and the functions below answer with that id and port.
 *
 * For the hand-over in a restart the library has bind, accept, read, write, epoll_wait and others of its own, which differ from
 * the C library's only in a worker, for its listeners and the connections accepted from them.
 *
 * Thread: any, one at a time. Signal handler: no.
 */
int cluster_init(const Cluster *options,
                 int argc,
                 char **argv) __asm__("ecewo_cluster_v0_1_init");

/**
 * Supervises the workers; returns when no worker runs or will run.
 *
 * It handles crashes, graceful restarts and shutdown, calls on_start and on_exit, and sleeps while nothing happens.
 * When it returns, every resource is released, signal dispositions are as they were, all answers are as before
 * cluster_init(), and cluster_init() may be called again. If it ends because every worker crashed or was disabled,
 * it says so in an [ERROR] line.
 *
 * Outside the master, and before cluster_init(), it returns at once. From a callback, from a second thread while one is
 * inside, and in a child that the master has forked, it prints an [ERROR] line and returns.
 *
 * Thread: any, one at a time. Signal handler: no.
 */
void cluster_wait_workers(void);

/**
 * Sends a signal to every running worker. In the master only; elsewhere it prints one [ERROR] line and does nothing.
 *
 * SIGTERM, SIGINT and SIGKILL mean "stop": the whole cluster is shut down, no worker is started any more, a graceful
 * restart ends, and a worker that is still there after shutdown_timeout_ms is killed. Any other signal reaches a
 * worker that is not ready yet (see cluster_graceful_restart) as soon as it is. A number outside 1 to 64, and 32 and 33
 * (with musl 34, too), which the C library keeps for itself, is an [ERROR] line and nothing else.
 *
 * Thread: any. Signal handler: yes.
 */
void cluster_signal_workers(int signal);

/**
 * Replaces every worker, one at a time, by the program file as it is on disk now: the replacement starts, becomes
 * ready, and only then the old process is told to stop. In the master only; elsewhere it prints one [ERROR] line and
 * does nothing.
 *
 * The listening sockets go over to the replacement with the connections that wait in them. The old process takes no more
 * connections, finishes the HTTP/1 requests that it has, says "Connection: close" in the last answer of each connection, and
 * gets SIGTERM when none is left, at the latest after half of shutdown_timeout_ms. With ECEWO_CLUSTER_HANDOFF=off in the
 * environment it gets SIGTERM at once.
 *
 * Ready means that the replacement listens wherever its predecessor listened on the cluster's port; if that listened on other
 * ports only, there; if nowhere, that the replacement has lived for 500 ms. If it ends before
 * that, or needs longer than 10 seconds (or three times what its predecessor needed), it is killed, an [ERROR]
 * line says so, the restart is given up, and the workers not replaced go on. Crashed and disabled
 * workers are replaced, too, with a clean crash count; workers that ended gracefully stay down.
 *
 * It returns at once; cluster_get_stats() tells in restart_requested whether it still runs. A call during a restart
 * is remembered, once, and runs after it. kill -USR2 to the master does the same.
 *
 * Thread: any. Signal handler: yes.
 */
void cluster_graceful_restart(void);

/**
 * The port to listen on: the configured one, in the master and in a worker. 0 if there is no cluster.
 *
 * Thread: any. Signal handler: yes.
 */
uint16_t cluster_get_port(void);

/**
 * Whether this process is the master: from cluster_init() on until cluster_wait_workers() returns.
 * In a child that the master has forked without exec, this and the statistics go on giving the answers of the moment of the fork.
 *
 * Thread: any. Signal handler: yes.
 */
bool cluster_is_master(void);

/**
 * Whether this process is a worker: from cluster_init() on. The environment variable ECEWO_WORKER_ID tells it earlier.
 *
 * Thread: any. Signal handler: yes.
 */
bool cluster_is_worker(void);

/**
 * This worker's id, 0 to cluster_worker_count() - 1. 0 in the master, and if there is no cluster.
 *
 * Thread: any. Signal handler: yes.
 */
uint8_t cluster_worker_id(void);

/**
 * The number of workers that the cluster was told to run, in the master and in a worker. 0 if there is no cluster.
 *
 * Thread: any. Signal handler: yes.
 */
uint8_t cluster_worker_count(void);

/**
 * Logical CPUs that this process may use, 1 to 255: at most those of its affinity mask, and at most the CPU quota of
 * its control group and that group's parents, rounded up.
 *
 * Thread: any. Signal handler: no (it reads files).
 */
uint8_t cluster_cpus(void);

/**
 * Physical cores that this process may use: at least 1, and at most cluster_cpus().
 *
 * Thread: any. Signal handler: no (it reads files).
 */
uint8_t cluster_cpus_physical(void);

/**
 * Writes the cluster's state to *stats. Returns 0 on success; -1 if stats is NULL or this process is not the master,
 * and *stats is zeroed then.
 *
 * Thread: any. Signal handler: yes.
 */
int cluster_get_stats(ClusterStats *stats) __asm__("ecewo_cluster_v0_1_get_stats");

/**
 * Writes one worker's state to *stats. Returns 0 on success; -1 if stats is NULL, worker_id is not below
 * cluster_worker_count(), or this process is not the master, and *stats is zeroed then.
 *
 * Thread: any. Signal handler: yes.
 */
int cluster_get_worker_stats(uint8_t worker_id,
                             WorkerStats *stats) __asm__("ecewo_cluster_v0_1_get_worker_stats");

/**
 * Writes the states of all workers, in the order of their ids, to the array, at most array_size of them. Returns how
 * many were written: 0 if stats_array is NULL, array_size is below 1, or this process is not the master (and then
 * all of the array is zeroed).
 *
 * Thread: any. Signal handler: yes.
 */
int cluster_get_all_workers(WorkerStats *stats_array,
                            int array_size) __asm__("ecewo_cluster_v0_1_get_all_workers");

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ECEWO_CLUSTER_H */
