/*
 * What the test servers of this folder share: options, the cluster's master side and the listening sockets (main.c), and
 * the HTTP of one connection without any input or output of its own (http.c). One program for each model of events.
 *
 *   /, /echo      at once                        /parts      in three parts, 300 ms apart, Content-Length known
 *   /slow?ms=N    after N ms; others are served  /chunked    in three chunks, 200 ms apart
 *   /block?ms=N   blocks this thread for N ms    /big        6 MB
 *   /upload       tells the body's checksum      /until-end  HTTP/1.0: ends with the connection
 *   /hello        at once, a greeting and no more: what the peers of benches/peers answer
 *   /hang         never answers, and this        /ws         101, then frames that are echoed
 *                 process ignores SIGTERM        /crash      abort()
 *
 * Every request has an id (/slow?ms=400&id=17); every answer repeats it, see load/src/answer.rs for the body's form.
 * A first byte of 0x16 (as TLS has) makes a connection one of records that are echoed.
 */
#ifndef ZL_H
#define ZL_H

#include "ecewo-cluster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zl_sigterm { ZL_DRAIN, ZL_DRAIN_SHUTDOWN, ZL_DIE };
enum zl_write { ZL_WRITE, ZL_WRITEV, ZL_SEND, ZL_SENDMSG };

/* Each is an argument of the program: name=value. */
struct zl_options {
    uint16_t port;                                       /* port=N */
    uint8_t workers;                                     /* workers=N */
    uint32_t shutdown_ms;                                /* shutdown=MS */
    uint32_t respawn_delay_ms, crash_window_sec; /* respawn-delay=MS, crash-window=S; 0: the library's */
    enum zl_sigterm sigterm;                             /* sigterm=drain|drain-shutdown|die */
    enum zl_write write;                                 /* write=write|writev|send|sendmsg */
    bool reuseport, accept4, connection_header, respawn; /* reuseport=yes|no, ...; all yes unless told otherwise */
    bool http10;                                         /* http10=yes: answers are HTTP/1.0 */
    bool eof_finishes;                                   /* eof=finish: an end-of-file does not end the request before it */
    bool multi;                                          /* multi=yes: several listeners, see zl_listen() */
    bool prefork_epoll;                                  /* prefork=epoll: the children have a loop; otherwise accept() blocks */
    bool listen_elsewhere;                               /* by the file named in ZERO_LOSS_MODE_FILE */
};

/* The model of events: serves until SIGTERM, returns the exit code. */
int zl_serve(const struct zl_options *options);

#define ZL_MAX_LISTENERS 6
/* Creates, binds and listens. `created` (may be NULL) sees each socket before bind(). Returns how many, or -1.
   multi: port on IPv4 and (another socket) on IPv6; port+1 on both by one socket; port+2+id, a port of the worker's own, without
   SO_REUSEPORT; port on 127.0.0.2 alone. */
int zl_listen(const struct zl_options *options, bool non_blocking, void (*created)(int fd), int fds[ZL_MAX_LISTENERS]);
int zl_accept(const struct zl_options *options, int listener, bool non_blocking);
/* One call of the kind that the options name. */
long zl_write_some(const struct zl_options *options, int fd, const char *bytes, size_t size);
int64_t zl_now_ms(void);
/* One line, in one write, so that lines of several processes do not mix. */
void zl_say(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- http.c ------------------------------------------------------------------------------------------------------ */

struct zl_bytes {
    char *data;
    size_t start, end, room; /* what is in use: data[start..end] */
};

struct zl_http {
    const struct zl_options *options;
    struct zl_bytes in, out;
    int state; /* of http.c */
    uint64_t id;
    char path[32];
    unsigned long ms;
    bool to_head, old, close_asked, keep_alive_asked;
    uint64_t body_left, got;
    uint32_t sum;
    struct zl_bytes answer; /* the whole one; sent up to the ends of its parts, with pauses before them */
    size_t part_end[3];
    unsigned part_pause[3];
    int parts, part;
    int64_t due;      /* when to call zl_http_run again; 0: when there is input */
    bool close_after; /* close as soon as `out` is written */
};

/* No further requests on connections that have none now; set once, at SIGTERM. */
extern volatile bool zl_draining;

void zl_http_init(struct zl_http *http, const struct zl_options *options);
void zl_http_free(struct zl_http *http);
void zl_http_feed(struct zl_http *http, const char *bytes, size_t size);
/* Does what can be done: reads requests, appends answers to `out`, sets `due` and `close_after`. */
void zl_http_run(struct zl_http *http);
/* Between requests, and everything is written. */
bool zl_http_is_idle(const struct zl_http *http);
void zl_bytes_add(struct zl_bytes *bytes, const void *data, size_t size);

/* ---- reactor.c: a loop over a way to wait ----------------------------------------------------------------------- */

struct zl_ready {
    int fd;
    bool readable, writable;
};

struct zl_waiter {
    bool edge_triggered; /* then: everything is read and written until EAGAIN */
    int most_fds;
    void (*open)(void);
    void (*watch)(int fd, bool write, bool is_new);
    void (*forget)(int fd);
    int (*wait)(int timeout_ms, struct zl_ready *ready, int room);
};

/* `register_first`: the listener is watched before it is bound. `listener`: one that listens already, or -1. */
int zl_reactor(const struct zl_options *options, const struct zl_waiter *waiter, bool register_first, int listener);
extern const struct zl_waiter zl_epoll_level, zl_epoll_edge;

#endif
