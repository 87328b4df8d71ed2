/* libuv, as ecewo uses it. */
#include "zl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

struct client {
    uv_tcp_t tcp; /* first: libuv's pointer to it is also ours */
    uv_timer_t timer;
    struct zl_http http;
    struct client *next, *previous;
    int writes, open_handles;
};

struct writing {
    uv_write_t request;
    char *data;
};

static const struct zl_options *options;
static uv_loop_t loop;
static uv_tcp_t listener;
static uv_signal_t on_term;
static struct client *clients = NULL;

static void one_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    if (--client->open_handles > 0)
        return;
    zl_http_free(&client->http);
    free(client);
}

static void close_client(struct client *client)
{
    if (uv_is_closing((uv_handle_t *)&client->tcp))
        return;
    if (client->previous)
        client->previous->next = client->next;
    else
        clients = client->next;
    if (client->next)
        client->next->previous = client->previous;
    uv_close((uv_handle_t *)&client->tcp, one_closed);
    uv_close((uv_handle_t *)&client->timer, one_closed);
}

static void close_if_over(struct client *client)
{
    bool over = client->http.close_after && client->http.due == 0 && client->http.out.start == client->http.out.end;
    if (client->writes == 0 && (over || (zl_draining && zl_http_is_idle(&client->http))))
        close_client(client);
}

static void written(uv_write_t *request, int status)
{
    struct writing *writing = (struct writing *)request;
    struct client *client = request->data;
    free(writing->data);
    free(writing);
    client->writes--;
    if (status < 0)
        close_client(client);
    else
        close_if_over(client);
}

static void run(struct client *client);

static void time_has_come(uv_timer_t *timer)
{
    run(timer->data);
}

static void run(struct client *client)
{
    struct zl_http *http = &client->http;
    zl_http_run(http);
    if (http->due) {
        int64_t left = http->due - zl_now_ms();
        uv_update_time(&loop);
        uv_timer_start(&client->timer, time_has_come, left > 0 ? (uint64_t)left : 0, 0);
    }
    if (http->out.start < http->out.end) {
        struct writing *writing = malloc(sizeof *writing);
        if (!writing)
            abort();
        /* The write takes the buffer over. */
        uv_buf_t buffer = uv_buf_init(http->out.data + http->out.start, (unsigned)(http->out.end - http->out.start));
        writing->data = http->out.data;
        writing->request.data = client;
        memset(&http->out, 0, sizeof http->out);
        client->writes++;
        if (uv_write(&writing->request, (uv_stream_t *)&client->tcp, &buffer, 1, written) != 0) {
            free(writing->data);
            free(writing);
            client->writes--;
            close_client(client);
        }
    }
    close_if_over(client);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    (void)handle;
    (void)wanted;
    static char room[65536];
    *buffer = uv_buf_init(room, sizeof room);
}

static void has_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    if (size == UV_EOF && options->eof_finishes) {
        client->http.close_after = true;
        uv_read_stop(stream);
        close_if_over(client);
    } else if (size < 0) {
        close_client(client);
    } else if (size > 0) {
        zl_http_feed(&client->http, buffer->base, (size_t)size);
        run(client);
    }
}

static void connected(uv_stream_t *server, int status)
{
    if (status < 0)
        return;
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        abort();
    uv_tcp_init(&loop, &client->tcp);
    uv_timer_init(&loop, &client->timer);
    client->tcp.data = client->timer.data = client;
    client->open_handles = 2;
    zl_http_init(&client->http, options);
    client->next = clients;
    if (clients)
        clients->previous = client;
    clients = client;
    if (uv_accept(server, (uv_stream_t *)&client->tcp) != 0) {
        close_client(client);
        return;
    }
    uv_tcp_nodelay(&client->tcp, 1);
    uv_read_start((uv_stream_t *)&client->tcp, give_room, has_read);
}

static void drain(uv_signal_t *handle, int signal_number)
{
    (void)signal_number;
    zl_draining = true;
    uv_close((uv_handle_t *)handle, NULL);
    uv_close((uv_handle_t *)&listener, NULL);
    for (struct client *client = clients, *next; client; client = next) {
        next = client->next;
        close_if_over(client);
    }
}

int zl_serve(const struct zl_options *given)
{
    options = given;
    uv_loop_init(&loop);
    uv_tcp_init_ex(&loop, &listener, AF_INET);
    int fd, one = 1;
    if (options->reuseport && uv_fileno((uv_handle_t *)&listener, &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    struct sockaddr_in where;
    if (options->listen_elsewhere)
        uv_ip4_addr("127.0.0.1", 0, &where);
    else
        uv_ip4_addr("0.0.0.0", cluster_get_port(), &where);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&where, 0) != 0 || uv_listen((uv_stream_t *)&listener, 511, connected) != 0) {
        zl_say(2, "worker %u cannot listen\n", cluster_worker_id());
        return 4;
    }
    if (options->sigterm != ZL_DIE) {
        uv_signal_init(&loop, &on_term);
        uv_signal_start(&on_term, drain, SIGTERM);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}
