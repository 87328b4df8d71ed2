/* What programs/v0.2 use of ecewo 4's header, on top of the stand-in for ecewo 3: one app at a time. */
#ifndef ECEWO4_STANDIN_H
#define ECEWO4_STANDIN_H

#include "../../../ecewo-standin/ecewo.h"

typedef Req ecewo_request_t;
typedef Res ecewo_response_t;
typedef struct {
    int state;
} ecewo_app_t;

enum { ECEWO_OK = 200 };

#define ecewo_sprintf arena_sprintf
#define ecewo_send_text send_text
#define ECEWO_GET(app, path, handler) ((void)(app), get(path, handler))

static inline Arena *ecewo_req_arena(ecewo_request_t *req)
{
    return req->arena;
}

static inline ecewo_app_t *ecewo_create(void)
{
    static ecewo_app_t app;
    app.state = server_init();
    return app.state == 0 ? &app : NULL;
}

/* Listens and serves until it was told to stop. */
static inline int ecewo_listen(ecewo_app_t *app, uint16_t port)
{
    return app->state == 0 && server_listen(port) == 0 ? server_run() : -1;
}

#endif
