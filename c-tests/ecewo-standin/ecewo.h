/*
 * A stand-in for ecewo's header: what the documentation's examples use of it, so that they compile and run where ecewo is not. The
 * examples lean on ecewo.h for printf and getpid, so it has their headers too.
 */
#ifndef ECEWO_STANDIN_H
#define ECEWO_STANDIN_H

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

typedef struct arena Arena; /* memory that lives as long as its request */

typedef struct {
    Arena *arena;
} Req;

typedef struct response Res;

enum { OK = 200, NOT_FOUND = 404, INTERNAL_SERVER_ERROR = 500 };

typedef void (*RequestHandler)(Req *req, Res *res);

/* In this order: initialize, set the routes, listen, run. They give 0, or -1 on error. server_run returns after SIGTERM or SIGINT, when the
   requests that were in progress have been answered. With ECEWO_WORKER=1 in the environment nobody handles these signals. */
int server_init(void);
void get(const char *path, RequestHandler handler);
int server_listen(uint16_t port);
int server_run(void);

char *arena_sprintf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void send_text(Res *res, int status, const char *text);

#endif
