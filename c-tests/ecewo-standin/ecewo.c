/*
 * The stand-in: a small HTTP/1.1 server on libuv's default loop. Of ecewo it has the shape: it binds 0.0.0.0, listens with a backlog of
 * 511, says so unless it is told that it is a worker (ECEWO_WORKER=1), and drains on SIGTERM and SIGINT unless it is told so.
 */
#include "ecewo.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#define MAX_ROUTES 32
#define REQUEST_ROOM 8192

struct arena {
    struct piece {
        struct piece *next;
        char data[];
    } *pieces;
};

struct response {
    uv_tcp_t tcp;
    uv_write_t write;
    struct response *next, *previous;
    Arena arena;
    char request[REQUEST_ROOM];
    size_t used;
    bool busy, keep_alive;
};

static struct {
    const char *path;
    RequestHandler handler;
} routes[MAX_ROUTES];
static int route_count = 0;

static uv_tcp_t listener;
static uv_signal_t on_term, on_int;
static Res *connections = NULL;
static bool draining = false, is_worker = false;

static void take_requests(Res *res);

/* ---- memory of a request ------------------------------------------------------------------------------------------ */

char *arena_sprintf(Arena *arena, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    struct piece *piece = length < 0 ? NULL : malloc(sizeof *piece + (size_t)length + 1);
    if (piece) {
        vsnprintf(piece->data, (size_t)length + 1, format, again);
        piece->next = arena->pieces;
        arena->pieces = piece;
    }
    va_end(again);
    return piece ? piece->data : NULL;
}

static void empty_arena(Arena *arena)
{
    while (arena->pieces) {
        struct piece *next = arena->pieces->next;
        free(arena->pieces);
        arena->pieces = next;
    }
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

static void on_closed(uv_handle_t *handle)
{
    Res *res = handle->data;
    empty_arena(&res->arena);
    free(res);
}

static void close_connection(Res *res)
{
    if (uv_is_closing((uv_handle_t *)&res->tcp))
        return;
    if (res->previous)
        res->previous->next = res->next;
    else
        connections = res->next;
    if (res->next)
        res->next->previous = res->previous;
    uv_close((uv_handle_t *)&res->tcp, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    Res *res = write->data;
    res->busy = false;
    empty_arena(&res->arena);
    if (status < 0 || !res->keep_alive || draining)
        close_connection(res);
    else
        take_requests(res);
}

static const char *reason(int status)
{
    switch (status) {
    case OK:
        return "OK";
    case NOT_FOUND:
        return "Not Found";
    default:
        return "Internal Server Error";
    }
}

void send_text(Res *res, int status, const char *text)
{
    char *answer = arena_sprintf(&res->arena,
                                 "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s",
                                 status, reason(status), strlen(text), res->keep_alive && !draining ? "keep-alive" : "close", text);
    uv_buf_t buffer = uv_buf_init(answer, answer ? (unsigned)strlen(answer) : 0);
    res->write.data = res;
    if (!answer || uv_write(&res->write, (uv_stream_t *)&res->tcp, &buffer, 1, on_written) != 0)
        close_connection(res);
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static void route(Res *res, const char *path)
{
    Req req = {.arena = &res->arena};
    for (int i = 0; i < route_count; i++) {
        if (strcmp(routes[i].path, path) == 0) {
            routes[i].handler(&req, res);
            return;
        }
    }
    send_text(res, NOT_FOUND, "404 Not Found");
}

static void take_requests(Res *res)
{
    char path[256];
    char *end = res->busy ? NULL : strstr(res->request, "\r\n\r\n");
    if (!end)
        return;
    *end = '\0';
    bool understood = sscanf(res->request, "GET %255[^ ?]", path) == 1;
    res->keep_alive = strcasestr(res->request, "\r\nConnection: close") == NULL;
    size_t length = (size_t)(end - res->request) + 4;
    memmove(res->request, res->request + length, res->used - length + 1);
    res->used -= length;
    res->busy = true;
    if (understood)
        route(res, path);
    else
        close_connection(res);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    Res *res = handle->data;
    *buffer = uv_buf_init(res->request + res->used, (unsigned)(REQUEST_ROOM - 1 - res->used));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    (void)buffer;
    Res *res = stream->data;
    if (got < 0) {
        close_connection(res);
        return;
    }
    res->used += (size_t)got;
    res->request[res->used] = '\0';
    take_requests(res);
}

static void on_connection(uv_stream_t *server, int status)
{
    Res *res;
    if (status < 0 || !(res = calloc(1, sizeof *res)))
        return;
    uv_tcp_init(server->loop, &res->tcp);
    res->tcp.data = res;
    res->next = connections;
    if (connections)
        connections->previous = res;
    connections = res;
    if (uv_accept(server, (uv_stream_t *)&res->tcp) != 0 || uv_read_start((uv_stream_t *)&res->tcp, give_room, on_read) != 0)
        close_connection(res);
}

/* ---- the server --------------------------------------------------------------------------------------------------- */

static void drain(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    if (draining)
        return;
    draining = true;
    uv_close((uv_handle_t *)&listener, NULL);
    uv_close((uv_handle_t *)&on_term, NULL);
    uv_close((uv_handle_t *)&on_int, NULL);
    for (Res *res = connections, *next; res; res = next) {
        next = res->next;
        if (!res->busy)
            close_connection(res);
    }
}

int server_init(void)
{
    const char *flag = getenv("ECEWO_WORKER");
    is_worker = flag && strcmp(flag, "1") == 0;
    signal(SIGPIPE, SIG_IGN);
    if (uv_tcp_init(uv_default_loop(), &listener) != 0)
        return -1;
    if (is_worker)
        return 0;
    uv_signal_init(uv_default_loop(), &on_term);
    uv_signal_init(uv_default_loop(), &on_int);
    uv_signal_start(&on_term, drain, SIGTERM);
    uv_signal_start(&on_int, drain, SIGINT);
    return 0;
}

void get(const char *path, RequestHandler handler)
{
    if (route_count < MAX_ROUTES) {
        routes[route_count].path = path;
        routes[route_count++].handler = handler;
    }
}

int server_listen(uint16_t port)
{
    struct sockaddr_in address;
    uv_ip4_addr("0.0.0.0", port, &address);
    int error = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&listener, 511, on_connection);
    if (error != 0) {
        fprintf(stderr, "cannot listen on port %u: %s\n", (unsigned)port, uv_strerror(error));
        exit(1);
    }
    if (!is_worker) {
        printf("Server listening on http://localhost:%u\n", (unsigned)port);
        fflush(stdout);
    }
    return 0;
}

int server_run(void)
{
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT) == 0 ? 0 : -1;
}
