/* A single-threaded server over any way to wait for descriptors, see zl.h. */
#include "zl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 65536
#define MOST_READY 256

struct client {
    struct zl_http http;
    bool wants_write;
};

static const struct zl_options *options;
static const struct zl_waiter *waiter;
static struct client **clients; /* by descriptor */
static int client_count = 0, most_fds, highest = -1;
static int listeners[ZL_MAX_LISTENERS], listener_count = 0;
static int wake_pipe[2];

static void on_sigterm(int signal_number)
{
    (void)signal_number;
    int saved = errno;
    if (write(wake_pipe[1], "x", 1) < 0)
        errno = 0; /* the pipe is full: it wakes all the same */
    errno = saved;
}

static void watch_new(int fd)
{
    waiter->watch(fd, false, true);
}

static void close_client(int fd)
{
    waiter->forget(fd);
    close(fd);
    zl_http_free(&clients[fd]->http);
    free(clients[fd]);
    clients[fd] = NULL;
    client_count--;
}

/* Writes what there is; closes when that was the end. False if the client is gone. */
static bool flush(int fd)
{
    struct client *client = clients[fd];
    struct zl_bytes *out = &client->http.out;
    while (out->start < out->end) {
        long written = zl_write_some(options, fd, out->data + out->start, out->end - out->start);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) {
            if (!client->wants_write)
                waiter->watch(fd, true, false);
            client->wants_write = true;
            return true;
        }
        if (written < 0) {
            close_client(fd);
            return false;
        }
        out->start += (size_t)written;
    }
    if (client->wants_write)
        waiter->watch(fd, false, false);
    client->wants_write = false;
    if ((client->http.close_after && client->http.due == 0) || (zl_draining && zl_http_is_idle(&client->http))) {
        close_client(fd);
        return false;
    }
    return true;
}

static void run(int fd)
{
    zl_http_run(&clients[fd]->http);
    flush(fd);
}

static void readable(int fd)
{
    static char room[ROOM];
    bool ended = false;
    do {
        ssize_t size = read(fd, room, sizeof room);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            break;
        if (size <= 0) {
            ended = true;
            break;
        }
        zl_http_feed(&clients[fd]->http, room, (size_t)size);
    } while (waiter->edge_triggered);
    if (ended && !options->eof_finishes) {
        /* As many servers do: whoever has gone needs no answer. */
        close_client(fd);
        return;
    }
    run(fd);
    if (ended && clients[fd]) {
        clients[fd]->http.close_after = true;
        flush(fd);
    }
}

static void accept_clients(int listener)
{
    do {
        int fd = zl_accept(options, listener, true);
        if (fd < 0) {
            if (errno == EINVAL && zl_draining) { /* it was shut down */
                waiter->forget(listener);
                close(listener);
            }
            return;
        }
        if (fd >= most_fds || !(clients[fd] = calloc(1, sizeof **clients))) {
            zl_say(2, "worker %u: no room for another connection\n", cluster_worker_id());
            close(fd);
            return;
        }
        client_count++;
        highest = fd > highest ? fd : highest;
        zl_http_init(&clients[fd]->http, options);
        watch_new(fd);
    } while (waiter->edge_triggered);
}

static bool is_listener(int fd)
{
    for (int i = 0; i < listener_count; i++)
        if (listeners[i] == fd)
            return true;
    return false;
}

static void drain(void)
{
    if (zl_draining)
        return;
    zl_draining = true;
    for (int i = 0; i < listener_count; i++) {
        if (options->sigterm == ZL_DRAIN_SHUTDOWN) {
            shutdown(listeners[i], SHUT_RDWR);
        } else {
            waiter->forget(listeners[i]);
            close(listeners[i]);
        }
    }
    for (int fd = 0; fd <= highest; fd++)
        if (clients[fd] && zl_http_is_idle(&clients[fd]->http))
            close_client(fd);
}

static int until_next_timer(void)
{
    int64_t first = 0;
    for (int fd = 0; fd <= highest; fd++) {
        int64_t due = clients[fd] ? clients[fd]->http.due : 0;
        if (due && (!first || due < first))
            first = due;
    }
    int64_t left = first - zl_now_ms();
    return !first ? -1 : left < 0 ? 0 : (int)left;
}

static void run_timers(void)
{
    int64_t now = zl_now_ms();
    for (int fd = 0; fd <= highest; fd++)
        if (clients[fd] && clients[fd]->http.due && clients[fd]->http.due <= now)
            run(fd);
}

static void one_turn(void)
{
    struct zl_ready ready[MOST_READY];
    int timeout = until_next_timer();
    int count = waiter->wait(timeout, ready, MOST_READY);
    for (int i = 0; i < count; i++) {
        int fd = ready[i].fd;
        if (fd == wake_pipe[0]) {
            drain();
        } else if (is_listener(fd) && !clients[fd]) {
            accept_clients(fd);
        } else {
            if (clients[fd] && ready[i].writable && clients[fd]->wants_write)
                flush(fd);
            if (clients[fd] && ready[i].readable)
                readable(fd);
        }
    }
    if (timeout >= 0)
        run_timers();
}

int zl_reactor(const struct zl_options *given, const struct zl_waiter *how, bool register_first, int listener)
{
    options = given;
    waiter = how;
    most_fds = how->most_fds;
    clients = calloc((size_t)most_fds, sizeof *clients);
    if (!clients || pipe(wake_pipe) != 0)
        return 3;
    fcntl(wake_pipe[1], F_SETFL, O_NONBLOCK);
    waiter->open();
    watch_new(wake_pipe[0]);
    if (options->sigterm != ZL_DIE) {
        struct sigaction action = { .sa_handler = on_sigterm };
        sigaction(SIGTERM, &action, NULL);
    }
    if (listener >= 0) {
        listeners[0] = listener;
        listener_count = 1;
    } else {
        listener_count = zl_listen(options, true, register_first ? watch_new : NULL, listeners);
        if (listener_count < 0)
            return 4;
    }
    for (int i = 0; i < listener_count && !register_first; i++)
        watch_new(listeners[i]);
    while (!zl_draining || client_count > 0)
        one_turn();
    return 0;
}
