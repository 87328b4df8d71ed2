/*
 * The worker's server of the tests: a small HTTP/1.1 server on libuv, as ecewo is. On SIGTERM and SIGINT it closes its
 * listener and its idle connections, finishes the requests that it has and returns.
 *
 *   /            "worker <id> pid <pid>"
 *   /slow?MS     the same, after so many milliseconds (other requests are served meanwhile)
 *   /hang        never returns: the process then ignores SIGTERM too
 *   /exit?CODE   exits with that code at once
 *   /kill?SIG    sends itself this signal
 *   /crash       abort()
 *   /segv        a real invalid memory access
 *   /fds         the open descriptors: "0=/dev/null 1=pipe:[1] ..."
 */
#ifndef CT_SERVER_H
#define CT_SERVER_H

#include <stddef.h>
#include <stdint.h>

/* Binds 0.0.0.0:port through libuv, listens, says "worker <id> listening", serves until it was told to stop. Returns 0, or 4 when
   bind or listen failed (and says "worker <id> cannot listen: <error>"). */
int server_serve(uint16_t port);
int server_serve_at(const char *ipv4_address, uint16_t port);

/* A path of the test's own; call it before server_serve. It gets what stands after "?" and writes the body. */
typedef void server_handler(const char *query, char *body, size_t size);
void server_route(const char *path, server_handler *handler);

#endif
