/* The worker's server of the tests, see server.h. */
#include "server.h"
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <uv.h>

#define MAX_ROUTES 16
#define REQUEST_ROOM 8192

typedef struct connection {
    uv_tcp_t tcp; /* first: libuv's pointer to it is also ours */
    uv_timer_t timer;
    uv_write_t write;
    struct connection *next, *previous;
    char request[REQUEST_ROOM];
    size_t used;
    char answer[5000];
    bool busy; /* from a whole request until its answer is written */
    bool keep_alive;
    int open_handles;
} connection;

static struct {
    const char *path;
    server_handler *handler;
} routes[MAX_ROUTES];
static int route_count = 0;

static uv_loop_t loop;
static uv_tcp_t listener;
static uv_signal_t on_term, on_int;
static connection *connections = NULL;
static bool draining = false;

static void handle_requests(connection *c);

void server_route(const char *path, server_handler *handler)
{
    if (route_count < MAX_ROUTES) {
        routes[route_count].path = path;
        routes[route_count++].handler = handler;
    }
}

/* ---- connections -------------------------------------------------------------------------------------------------- */

static void one_closed(uv_handle_t *handle)
{
    connection *c = handle->data;
    if (--c->open_handles == 0)
        free(c);
}

static void close_connection(connection *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    if (c->previous)
        c->previous->next = c->next;
    else
        connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    uv_close((uv_handle_t *)&c->tcp, one_closed);
    uv_close((uv_handle_t *)&c->timer, one_closed);
}

static void answer_written(uv_write_t *write, int status)
{
    connection *c = write->data;
    c->busy = false;
    if (status < 0 || !c->keep_alive || draining)
        close_connection(c);
    else
        handle_requests(c); /* a pipelined one may be there already */
}

static void send_answer(connection *c, const char *body)
{
    int length = snprintf(c->answer, sizeof c->answer,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s",
                          strlen(body), c->keep_alive && !draining ? "keep-alive" : "close", body);
    uv_buf_t buffer = uv_buf_init(c->answer, (unsigned)length);
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buffer, 1, answer_written) != 0)
        close_connection(c);
}

static void send_identity(connection *c)
{
    char body[64];
    snprintf(body, sizeof body, "worker %u pid %d", cluster_worker_id(), (int)getpid());
    send_answer(c, body);
}

static void slow_is_over(uv_timer_t *timer)
{
    send_identity(timer->data);
}

/* ---- paths -------------------------------------------------------------------------------------------------------- */

static void list_descriptors(const char *query, char *body, size_t size)
{
    (void)query;
    size_t used = 0;
    body[0] = '\0';
    for (int fd = 0; fd < 1024 && used < size; fd++) {
        char path[64], target[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length > 0)
            used += (size_t)snprintf(body + used, size - used, "%d=%.*s ", fd, (int)length, target);
    }
}

/* The ways to end; true if `path` was one of them and the process lives on all the same. */
static bool end_somehow(const char *path, const char *query)
{
    if (strcmp(path, "/exit") == 0)
        _exit(atoi(query));
    if (strcmp(path, "/crash") == 0)
        abort();
    if (strcmp(path, "/segv") == 0) {
        volatile uintptr_t nowhere = 8; /* volatile: a compiler that sees through it would complain */
        *(volatile int *)nowhere = 1;
    }
    if (strcmp(path, "/kill") == 0)
        return raise(atoi(query)) == 0;
    if (strcmp(path, "/hang") == 0)
        for (;;)
            pause();
    return false;
}

static void handle_request(connection *c, const char *path, const char *query)
{
    char body[4000];
    c->busy = true;
    if (strcmp(path, "/slow") == 0) {
        uv_timer_start(&c->timer, slow_is_over, (uint64_t)atoi(query), 0);
        return;
    }
    for (int i = 0; i < route_count; i++) {
        if (strcmp(path, routes[i].path) == 0) {
            body[0] = '\0';
            routes[i].handler(query, body, sizeof body);
            send_answer(c, body);
            return;
        }
    }
    if (strcmp(path, "/fds") == 0) {
        list_descriptors(query, body, sizeof body);
        send_answer(c, body);
        return;
    }
    (void)end_somehow(path, query);
    send_identity(c);
}

static void handle_requests(connection *c)
{
    char *end;
    if (c->busy || (end = strstr(c->request, "\r\n\r\n")) == NULL)
        return;
    char path[256] = "", query[256] = "";
    *end = '\0';
    if (sscanf(c->request, "GET %255[^? ]?%255[^ ]", path, query) < 1) {
        close_connection(c);
        return;
    }
    c->keep_alive = strcasestr(c->request, "\r\nConnection: close") == NULL;
    size_t length = (size_t)(end - c->request) + 4;
    memmove(c->request, c->request + length, c->used - length + 1);
    c->used -= length;
    handle_request(c, path, query);
}

/* ---- libuv -------------------------------------------------------------------------------------------------------- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    connection *c = handle->data;
    *buffer = uv_buf_init(c->request + c->used, (unsigned)(REQUEST_ROOM - 1 - c->used));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    (void)buffer;
    connection *c = stream->data;
    if (got < 0) {
        close_connection(c);
        return;
    }
    c->used += (size_t)got;
    c->request[c->used] = '\0';
    handle_requests(c);
}

static void on_connection(uv_stream_t *server, int status)
{
    connection *c;
    if (status < 0 || !(c = calloc(1, sizeof *c)))
        return;
    uv_tcp_init(&loop, &c->tcp);
    uv_timer_init(&loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->open_handles = 2;
    c->next = connections;
    if (connections)
        connections->previous = c;
    connections = c;
    if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0 || uv_read_start((uv_stream_t *)&c->tcp, give_buffer, on_read) != 0)
        close_connection(c);
}

static void drain(uv_signal_t *signal, int number)
{
    (void)signal;
    (void)number;
    if (draining)
        return;
    draining = true;
    uv_close((uv_handle_t *)&listener, NULL);
    uv_close((uv_handle_t *)&on_term, NULL);
    uv_close((uv_handle_t *)&on_int, NULL);
    for (connection *c = connections, *next; c; c = next) {
        next = c->next;
        if (!c->busy)
            close_connection(c);
    }
}

int server_serve(uint16_t port)
{
    return server_serve_at("0.0.0.0", port);
}

int server_serve_at(const char *ipv4_address, uint16_t port)
{
    struct sockaddr_in address;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    uv_tcp_init(&loop, &listener);
    /* Before the listener, as ecewo does: who sees it listen may already signal it. */
    uv_signal_init(&loop, &on_term);
    uv_signal_init(&loop, &on_int);
    uv_signal_start(&on_term, drain, SIGTERM);
    uv_signal_start(&on_int, drain, SIGINT);
    uv_ip4_addr(ipv4_address, port, &address);
    int error = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&listener, 511, on_connection);
    if (error != 0) {
        say("worker %u cannot listen: %s", cluster_worker_id(), uv_err_name(error));
        return 4;
    }
    say("worker %u listening", cluster_worker_id());
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return 0;
}
