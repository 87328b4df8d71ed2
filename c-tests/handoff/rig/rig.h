/*
 * What the tests of the hand-over share: a worker whose listeners the test chooses, on epoll and without libuv, and a client for any
 * address. Gates and records are those of lab.h.
 */
#ifndef CT_RIG_H
#define CT_RIG_H

#include "lab.h"

/* ---- in the worker ------------------------------------------------------------------------------------------------ */

#define RIG_V6ONLY 1u
#define RIG_DUAL 2u
#define RIG_REUSEPORT 4u
#define RIG_BLOCKING 8u /* else the listener is non-blocking */

/* A socket of the address's family with SO_REUSEADDR, not bound; close-on-exec. */
int rig_socket(const char *address, unsigned flags);
int rig_bind_to(int fd, const char *address, uint16_t port); /* as bind(2) */
/* Socket, bind, listen; says "worker <id> cannot listen: <error>" and exits with 4 if that fails. */
int rig_listen(const char *address, uint16_t port, unsigned flags);
uint64_t rig_cookie(int fd);
int rig_open_descriptors(void); /* how many this process has */

/* Says "worker <id> listening" and serves for ever, one request after the other on each connection, any number of connections:
     /             "worker <id> pid <pid> listener <index>"
     /cookies      "worker <id> pid <pid> cookies <SO_COOKIE of each listener>"
     /hold?GATE    like /, once the driver has opened the gate
     other paths   what rig_route has for them
   A listener of -1 is left out. SIGTERM ends it at once, unless rig_finish_on_sigterm was called: then it closes its listeners,
   answers what is held, and exits with 0. */
int rig_serve(const int *listeners, int count);
void rig_route(const char *path, void (*handler)(const char *query, char *body, size_t size));
void rig_finish_on_sigterm(void);

/* ---- in the driver ------------------------------------------------------------------------------------------------ */

int rig_connect(const char *address, uint16_t port); /* connected, or -1 with errno */
bool rig_refused(const char *address, uint16_t port); /* is a connection refused at this moment? */
void rig_send(int fd, const char *path);             /* a request */
void rig_send_text(int fd, const char *text);
/* Reads one answer with Content-Length into `text` (as it came); fails the test if none comes in time. */
#define rig_answer(fd, text, size) (ct_here(__FILE__, __LINE__), rig_read_answer(fd, text, size, CT_WAIT_MS))
size_t rig_read_answer(int fd, char *text, size_t size, int64_t ms);
/* "answered", "end", "reset", "timeout": what came on a connection on which a request was sent. */
const char *rig_outcome(int fd, int64_t ms, char *text, size_t size);
/* The body of an answer to a request on a new connection; fails the test otherwise. */
#define rig_get(address, port, path) (ct_here(__FILE__, __LINE__), rig_get_body(address, port, path))
const char *rig_get_body(const char *address, uint16_t port, const char *path);
/* Until this process alone answers, so many times in a row: an old worker is told to drain before the statistics tell of its successor, but closes its gate a moment later. */
#define rig_wait_served_by(a, pid) (ct_here(__FILE__, __LINE__), rig_wait_for_server(a, pid))
void rig_wait_for_server(app *a, pid_t pid);
bool rig_readable(int fd, int64_t ms);
bool rig_ends(int fd, int64_t ms); /* true if end of file or a reset comes within the time */

/* Kills the worker with SIGKILL and waits until its successor says that it listens; gives the new pid. */
#define rig_crash(a, id) (ct_here(__FILE__, __LINE__), rig_kill_worker(a, id))
pid_t rig_kill_worker(app *a, int worker_id);
/* A graceful restart from beginning to end. */
#define rig_restart(a) (ct_here(__FILE__, __LINE__), rig_restart_all(a))
void rig_restart_all(app *a);
void rig_stop_process(pid_t pid); /* SIGSTOP, and waits until it is stopped */
/* Until the worker's listening line came this many times. */
#define rig_wait_listening(a, id, times) (ct_here(__FILE__, __LINE__), rig_wait_lines(a, id, times))
void rig_wait_lines(app *a, int worker_id, int times);

#endif
