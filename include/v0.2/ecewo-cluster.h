/*
 * ecewo-cluster: one worker process per core on one port, supervised by a master process.
 *
 * This is the interface of the plugin's version 0.2, in which every name begins with ecewo_.
 *
 * A program calls ecewo_cluster_init() at the start of main(). In the process that the user started, it starts the
 * workers, and the role is MASTER: call ecewo_cluster_wait() then. In a worker, which is a fresh execution of the same
 * program with the same arguments, the role is WORKER: be the server then, on ecewo_cluster_port().
 *
 *     int main(int argc, char **argv)
 *     {
 *         ecewo_cluster_config_t *config = ecewo_cluster_config_new();
 *         ecewo_cluster_config_set_port(config, 3000);
 *         ecewo_cluster_config_set_respawn(config, true);
 *         ecewo_cluster_role_t role = ecewo_cluster_init(config, argc, argv);
 *         ecewo_cluster_config_free(config);
 *         switch (role) {
 *         case ECEWO_CLUSTER_ROLE_MASTER:
 *             ecewo_cluster_wait();
 *             return 0;
 *         case ECEWO_CLUSTER_ROLE_WORKER:
 *             return serve(ecewo_cluster_port());
 *         default:
 *             return 1;
 *         }
 *     }
 *
 * An error is one line on stderr that begins with [ERROR] and says what to do.
 *
 * Where a pointer to a configuration or to statistics is expected, NULL does no harm: setters do nothing, what is read
 * is 0 or false (ECEWO_WORKER_DISABLED for a status), and functions that can report an error do.
 *
 * Which function may be called where:
 *   - from any thread and from a signal handler: all that are not named below. They take no lock, allocate nothing and
 *     keep errno. One configuration, and one place for statistics, is for one thread at a time.
 *   - from any thread, not from a signal handler: ecewo_cluster_cpus(), ecewo_cluster_cpus_physical(), and what ends in
 *     _new() or _free().
 *   - ecewo_cluster_init() and ecewo_cluster_wait(): one thread at a time, in the order above.
 *
 * This file is generated from the library's sources. Linux 5.4 or newer, 64-bit.
 */

#ifndef ECEWO_CLUSTER_H
#define ECEWO_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

/* Stands before each function. The library's functions are visible without it; programs may define it otherwise. */
#ifndef ECEWO_CLUSTER_EXPORT
#define ECEWO_CLUSTER_EXPORT
#endif

/**
 * The part that this process has after ecewo_cluster_init().
 */
typedef enum {
  /**
   * There was an error; its [ERROR] line is on stderr.
   */
  ECEWO_CLUSTER_ROLE_ERROR = -1,
  /**
   * It supervises the workers: call ecewo_cluster_wait().
   */
  ECEWO_CLUSTER_ROLE_MASTER = 0,
  /**
   * It is one of the workers: be the server, on ecewo_cluster_port().
   */
  ECEWO_CLUSTER_ROLE_WORKER = 1,
} ecewo_cluster_role_t;

/**
 * What a worker is doing.
 */
typedef enum {
  /**
   * Its process is being made, or it has not been started yet.
   */
  ECEWO_WORKER_STARTING,
  /**
   * Its process runs the program.
   */
  ECEWO_WORKER_ACTIVE,
  /**
   * It was told to stop, or has ended gracefully.
   */
  ECEWO_WORKER_STOPPING,
  /**
   * It crashed and is not started again, because respawn is off.
   */
  ECEWO_WORKER_CRASHED,
  /**
   * It crashed, and its replacement is about to be started.
   */
  ECEWO_WORKER_RESPAWNING,
  /**
   * It crashed too often within the window: it is not started again before the next graceful restart.
   */
  ECEWO_WORKER_DISABLED,
} ecewo_worker_status_t;

/**
 * What ecewo_cluster_init() is to do: made by ecewo_cluster_config_new(), filled by the ecewo_cluster_config_set_...()
 * functions, handed to ecewo_cluster_init(), which copies it, and given back with ecewo_cluster_config_free().
 */
typedef struct ecewo_cluster_config_s ecewo_cluster_config_t;

/**
 * The whole cluster as it was when ecewo_cluster_get_stats() looked.
 */
typedef struct ecewo_cluster_stats_s ecewo_cluster_stats_t;

/**
 * One worker as it was when ecewo_cluster_get_worker_stats() or ecewo_cluster_get_all_workers() looked. During a
 * graceful restart that is the old process until the replacement is ready.
 */
typedef struct ecewo_worker_stats_s ecewo_worker_stats_t;

/**
 * Called in the master when a process has become the worker with this id: at the start (before ecewo_cluster_init()
 * returns), at a respawn, and in a graceful restart as soon as the replacement is ready.
 *
 * Both callbacks run on the thread that is inside ecewo_cluster_init() or ecewo_cluster_wait(). The statistics already
 * show the event, no lock is held, and every function of this header may be called from them.
 */
typedef void (*ecewo_cluster_on_start_t)(uint8_t worker_id);

/**
 * Called in the master when a process that was the worker with this id has ended.
 *
 * exit_status is the exit code, or 128 plus the signal's number, or 255 where the status was lost because the
 * program itself took it. is_crash is false for an exit with 0, a death by SIGTERM or SIGINT, and any end
 * after the master told the worker to stop. In a graceful restart on_start of the replacement comes first.
 */
typedef void (*ecewo_cluster_on_exit_t)(uint8_t worker_id, int exit_status, bool is_crash);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a configuration that has no port yet, and the default of everything else. NULL if there is no memory.
 *
 * Thread: any. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT
ecewo_cluster_config_t *ecewo_cluster_config_new(void);

/**
 * Gives a configuration back. After ecewo_cluster_init() it may go at once. NULL is allowed.
 *
 * Thread: any. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT void ecewo_cluster_config_free(ecewo_cluster_config_t *config);

/**
 * Number of workers, 1 to 255. 0, the default: the number that ecewo_cluster_cpus() gives. If config is NULL, nothing happens.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_cpus(ecewo_cluster_config_t *config,
                                   uint8_t cpus);

/**
 * TCP port that the workers listen on, 1 to 65535. There is no default: without it ecewo_cluster_init() fails.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_port(ecewo_cluster_config_t *config,
                                   uint16_t port);

/**
 * Whether a worker that crashed is started again. A worker that ended gracefully never is. Default: false.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_respawn(ecewo_cluster_config_t *config,
                                      bool respawn);

/**
 * Milliseconds that a worker has to end after it was told to stop; then it is killed with SIGKILL. In a graceful
 * restart an old worker has the first half of it to finish the requests that it has; SIGTERM follows, at once if
 * there are none. 0, the default: 15000.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_shutdown_timeout(ecewo_cluster_config_t *config,
                                               uint32_t ms);

/**
 * Crash protection: length of the window in seconds. 0, the default: 5.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_respawn_window(ecewo_cluster_config_t *config,
                                             uint32_t seconds);

/**
 * Crash protection: so many crashes of one worker within the window disable it: it is not started again until the
 * next graceful restart. 0, the default: 3.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_respawn_max_crashes(ecewo_cluster_config_t *config,
                                                  uint8_t max_crashes);

/**
 * Milliseconds between the start of one worker and the start of the next. 0, the default: at most 100, less where the
 * worker just started listens earlier. A value that you set is always kept.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_worker_startup_delay(ecewo_cluster_config_t *config,
                                                   uint32_t ms);

/**
 * Milliseconds between a worker's crash and the start of its replacement. 0, the default: 100.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_worker_respawn_delay(ecewo_cluster_config_t *config,
                                                   uint32_t ms);

/**
 * The function to call when a process has become a worker. NULL, the default: none.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_on_start(ecewo_cluster_config_t *config,
                                       ecewo_cluster_on_start_t cb);

/**
 * The function to call when a worker's process has ended. NULL, the default: none.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_config_set_on_exit(ecewo_cluster_config_t *config,
                                      ecewo_cluster_on_exit_t cb);

/**
 * Starts the cluster, or takes a worker's part in it. Call it once, early in main(), with main's own arguments.
 *
 * Returns ECEWO_CLUSTER_ROLE_MASTER in the master: every worker listens or has exited, or 500 ms have passed since the
 * last one was started. Returns ECEWO_CLUSTER_ROLE_WORKER in a worker, at once. Returns ECEWO_CLUSTER_ROLE_ERROR after
 * an error, with one [ERROR] line on stderr and with nothing left running. Errors are: config or argv NULL, argc below
 * 1, no port, a port that this user may not use (below 1024, mostly), a port in use, workers that cannot be started (a
 * program file that does not start, too few descriptors or processes allowed), and a second call, which leaves a running
 * cluster and its answers as they are.
 *
 * A worker runs the same program file with argv as its arguments, in the directory that the program was started in,
 * with the environment as it is at this call, plus ECEWO_WORKER_ID (its id) and without ECEWO_WORKER. A worker that
 * finds its master gone, or that was put into the background before this call, prints an [ERROR] line and ends with
 * exit code 78. In a worker stdin is /dev/null, it leads a session of its own, its signal mask is empty, and no signal
 * is ignored but SIGPIPE if the master ignores that.
 *
 * In the master, SIGTERM, SIGINT and SIGUSR2 are handled by the library from here until ecewo_cluster_wait()
 * returns: the first two stop the cluster (a second SIGINT kills it), SIGUSR2 restarts it gracefully. If one of the first two
 * comes during this call, ecewo_cluster_wait() does the shutdown. A SIGCHLD that is ignored gets its default action for that
 * time. The soft limit of descriptors may be raised for the master, and the process is named ecewo:master.
 *
 * If the master ends by any cause, each worker sends itself SIGTERM at once, and SIGKILL after the shutdown timeout.
 *
 * A program that is started with --cluster-worker ID PORT among its arguments is a worker without a master: this returns as in a
 * worker, and the functions below answer with that id and port.
 *
 * For the hand-over in a restart the library has bind, accept, read, write, epoll_wait and others of its own, which differ from
 * the C library's only in a worker, for its listeners and the connections accepted from them.
 *
 * Thread: any, one at a time. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT
ecewo_cluster_role_t ecewo_cluster_init(const ecewo_cluster_config_t *config,
                                        int argc,
                                        char **argv);

/**
 * Supervises the workers; returns when no worker runs or will run.
 *
 * It handles crashes, graceful restarts and shutdown, calls on_start and on_exit, and sleeps while nothing happens.
 * When it returns, every resource is released, signal dispositions are as they were, all answers are as before
 * ecewo_cluster_init(), and ecewo_cluster_init() may be called again. If it ends because every worker crashed or was disabled,
 * it says so in an [ERROR] line.
 *
 * Outside the master, and before ecewo_cluster_init(), it returns at once. From a callback, from a second thread while one is
 * inside, and in a child that the master has forked, it prints an [ERROR] line and returns.
 *
 * Thread: any, one at a time. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_wait(void);

/**
 * Sends a signal to every running worker. In the master only; elsewhere it prints one [ERROR] line and does nothing.
 *
 * SIGTERM, SIGINT and SIGKILL mean "stop": the whole cluster is shut down, no worker is started any more, a graceful
 * restart ends, and a worker that is still there after the shutdown timeout is killed. Any other signal reaches a
 * worker that is not ready yet (see ecewo_cluster_graceful_restart) as soon as it is. A number outside 1 to 64, and 32 and 33
 * (with musl 34, too), which the C library keeps for itself, is an [ERROR] line and nothing else.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_signal_workers(int signal);

/**
 * Replaces every worker, one at a time, by the program file as it is on disk now: the replacement starts, becomes
 * ready, and only then the old process is told to stop. In the master only; elsewhere it prints one [ERROR] line and
 * does nothing.
 *
 * The listening sockets go over to the replacement with the connections that wait in them. The old process takes no more
 * connections, finishes the HTTP/1 requests that it has, says "Connection: close" in the last answer of each connection, and
 * gets SIGTERM when none is left, at the latest after half of the shutdown timeout. With ECEWO_CLUSTER_HANDOFF=off in the
 * environment it gets SIGTERM at once.
 *
 * Ready means that the replacement listens wherever its predecessor listened on the cluster's port; if that listened on other
 * ports only, there; if nowhere, that the replacement has lived for 500 ms. If it ends before
 * that, or needs longer than 10 seconds (or three times what its predecessor needed), it is killed, an [ERROR]
 * line says so, the restart is given up, and the workers not replaced go on. Crashed and disabled
 * workers are replaced, too, with a clean crash count; workers that ended gracefully stay down.
 *
 * It returns at once; ecewo_cluster_get_stats() tells in restart_requested whether it still runs. A call during a restart
 * is remembered, once, and runs after it. kill -USR2 to the master does the same.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
void ecewo_cluster_graceful_restart(void);

/**
 * The port to listen on: the configured one, in the master and in a worker. 0 if there is no cluster.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
uint16_t ecewo_cluster_port(void);

/**
 * Whether this process is the master: from ecewo_cluster_init() on until ecewo_cluster_wait() returns.
 * In a child that the master has forked without exec, this and the statistics go on giving the answers of the moment of the fork.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
bool ecewo_cluster_is_master(void);

/**
 * Whether this process is a worker: from ecewo_cluster_init() on. The environment variable ECEWO_WORKER_ID tells it earlier.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
bool ecewo_cluster_is_worker(void);

/**
 * This worker's id, 0 to ecewo_cluster_worker_count() - 1. 0 in the master, and if there is no cluster.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
uint8_t ecewo_cluster_worker_id(void);

/**
 * The number of workers that the cluster was told to run, in the master and in a worker. 0 if there is no cluster.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
uint8_t ecewo_cluster_worker_count(void);

/**
 * Logical CPUs that this process may use, 1 to 255: at most those of its affinity mask, and at most the CPU quota of
 * its control group and that group's parents, rounded up.
 *
 * Thread: any. Signal handler: no (it reads files).
 */
ECEWO_CLUSTER_EXPORT
uint8_t ecewo_cluster_cpus(void);

/**
 * Physical cores that this process may use: at least 1, and at most ecewo_cluster_cpus().
 *
 * Thread: any. Signal handler: no (it reads files).
 */
ECEWO_CLUSTER_EXPORT uint8_t ecewo_cluster_cpus_physical(void);

/**
 * Makes room for the cluster's statistics; everything in it is 0. NULL if there is no memory.
 *
 * Thread: any. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT ecewo_cluster_stats_t *ecewo_cluster_stats_new(void);

/**
 * Gives it back. NULL is allowed.
 *
 * Thread: any. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT void ecewo_cluster_stats_free(ecewo_cluster_stats_t *stats);

/**
 * Fills stats with the cluster's state. Returns 0 on success; -1 if stats is NULL or this process is not the master,
 * and everything in stats is 0 then.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
int ecewo_cluster_get_stats(ecewo_cluster_stats_t *stats);

/**
 * Number of workers that ecewo_cluster_init() was told to run.
 */
ECEWO_CLUSTER_EXPORT uint8_t ecewo_cluster_stats_total_workers(const ecewo_cluster_stats_t *stats);

/**
 * How many of them are ECEWO_WORKER_ACTIVE.
 */
ECEWO_CLUSTER_EXPORT uint8_t ecewo_cluster_stats_active_workers(const ecewo_cluster_stats_t *stats);

/**
 * How many of them are ECEWO_WORKER_CRASHED.
 */
ECEWO_CLUSTER_EXPORT
uint8_t ecewo_cluster_stats_crashed_workers(const ecewo_cluster_stats_t *stats);

/**
 * How many of them are ECEWO_WORKER_DISABLED.
 */
ECEWO_CLUSTER_EXPORT
uint8_t ecewo_cluster_stats_disabled_workers(const ecewo_cluster_stats_t *stats);

/**
 * Whether the cluster was told to stop.
 */
ECEWO_CLUSTER_EXPORT
bool ecewo_cluster_stats_shutdown_requested(const ecewo_cluster_stats_t *stats);

/**
 * Whether a graceful restart was asked for and the last old process is not gone yet.
 */
ECEWO_CLUSTER_EXPORT bool ecewo_cluster_stats_restart_requested(const ecewo_cluster_stats_t *stats);

/**
 * Replacements that became their slot's worker, after a crash or in a graceful restart, since ecewo_cluster_init().
 */
ECEWO_CLUSTER_EXPORT
uint64_t ecewo_cluster_stats_total_restarts(const ecewo_cluster_stats_t *stats);

/**
 * Makes room for one worker's statistics; everything in it is 0. NULL if there is no memory.
 *
 * Thread: any. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT ecewo_worker_stats_t *ecewo_worker_stats_new(void);

/**
 * Gives it back. NULL is allowed.
 *
 * Thread: any. Signal handler: no.
 */
ECEWO_CLUSTER_EXPORT void ecewo_worker_stats_free(ecewo_worker_stats_t *stats);

/**
 * Fills stats with one worker's state. Returns 0 on success; -1 if stats is NULL, worker_id is not below
 * ecewo_cluster_worker_count(), or this process is not the master, and everything in stats is 0 then.
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
int ecewo_cluster_get_worker_stats(uint8_t worker_id,
                                   ecewo_worker_stats_t *stats);

/**
 * Fills the entries of the array with the states of all workers, in the order of their ids: entry N is worker N, and
 * an entry that is NULL is left out. Entries from ecewo_cluster_worker_count() on are not touched. Returns how many
 * were filled: 0 if stats_array is NULL, array_size is below 1, or this process is not the master (and then
 * everything in the entries is 0).
 *
 * Thread: any. Signal handler: yes.
 */
ECEWO_CLUSTER_EXPORT
int ecewo_cluster_get_all_workers(ecewo_worker_stats_t **stats_array,
                                  int array_size);

/**
 * The worker's id, 0 to ecewo_cluster_worker_count() - 1.
 */
ECEWO_CLUSTER_EXPORT uint8_t ecewo_worker_stats_id(const ecewo_worker_stats_t *stats);

/**
 * Process id; 0 while no process runs.
 */
ECEWO_CLUSTER_EXPORT int ecewo_worker_stats_pid(const ecewo_worker_stats_t *stats);

/**
 * The cluster's port.
 */
ECEWO_CLUSTER_EXPORT uint16_t ecewo_worker_stats_port(const ecewo_worker_stats_t *stats);

/**
 * What it is doing. ECEWO_WORKER_DISABLED if stats is NULL.
 */
ECEWO_CLUSTER_EXPORT
ecewo_worker_status_t ecewo_worker_stats_status(const ecewo_worker_stats_t *stats);

/**
 * When its latest process was started, in seconds since 1970; 0 before the first one.
 */
ECEWO_CLUSTER_EXPORT int64_t ecewo_worker_stats_start_time(const ecewo_worker_stats_t *stats);

/**
 * Seconds since then, by a clock that nobody can set; 0 while no process runs.
 */
ECEWO_CLUSTER_EXPORT int64_t ecewo_worker_stats_uptime_seconds(const ecewo_worker_stats_t *stats);

/**
 * How its last process that ended did: the exit code, or 128 plus the signal's number; 255 where that was lost because the
 * program itself waited for it. 0 before the first end.
 */
ECEWO_CLUSTER_EXPORT
int ecewo_worker_stats_exit_status(const ecewo_worker_stats_t *stats);

/**
 * Crashes within the window that ended with the latest crash; 0 after a graceful restart.
 */
ECEWO_CLUSTER_EXPORT uint8_t ecewo_worker_stats_crash_count(const ecewo_worker_stats_t *stats);

/**
 * Whether crash protection stopped its respawning.
 */
ECEWO_CLUSTER_EXPORT bool ecewo_worker_stats_respawn_disabled(const ecewo_worker_stats_t *stats);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ECEWO_CLUSTER_H */
