/* Blocking calls: some threads in accept(), and a thread for each connection. */
#include "zl.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCEPTING 4

struct client {
    int fd;
    bool reading; /* waits for a request */
    struct client *next, *previous;
};

static const struct zl_options *options;
static int listener;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t one_gone = PTHREAD_COND_INITIALIZER;
static struct client *clients = NULL;
static int client_count = 0;
static sem_t told_to_stop;

static void on_sigterm(int signal_number)
{
    (void)signal_number;
    sem_post(&told_to_stop);
}

/* Says whether the client waits for a request; false if it must not, because there shall be none. */
static bool set_reading(struct client *client, bool reading, bool is_idle)
{
    pthread_mutex_lock(&lock);
    client->reading = reading && is_idle;
    bool go_on = !(client->reading && zl_draining);
    pthread_mutex_unlock(&lock);
    return go_on;
}

static bool write_all(int fd, struct zl_bytes *out)
{
    while (out->start < out->end) {
        long size = zl_write_some(options, fd, out->data + out->start, out->end - out->start);
        if (size < 0 && errno != EINTR)
            return false;
        out->start += size > 0 ? (size_t)size : 0;
    }
    return true;
}

static void sleep_until(int64_t due)
{
    int64_t left = due - zl_now_ms();
    struct timespec time = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };
    if (left > 0)
        nanosleep(&time, NULL);
}

static void serve_client(struct client *client)
{
    static _Thread_local char room[65536];
    struct zl_http http;
    zl_http_init(&http, options);
    for (;;) {
        zl_http_run(&http);
        if (!write_all(client->fd, &http.out))
            break;
        if (http.due) {
            sleep_until(http.due);
            continue;
        }
        if (http.close_after || !set_reading(client, true, zl_http_is_idle(&http)))
            break;
        ssize_t size = read(client->fd, room, sizeof room);
        set_reading(client, false, false);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        zl_http_feed(&http, room, (size_t)size);
    }
    zl_http_free(&http);
}

static void *client_thread(void *argument)
{
    struct client *client = argument;
    serve_client(client);
    pthread_mutex_lock(&lock);
    if (client->previous)
        client->previous->next = client->next;
    else
        clients = client->next;
    if (client->next)
        client->next->previous = client->previous;
    close(client->fd);
    client_count--;
    pthread_cond_signal(&one_gone);
    pthread_mutex_unlock(&lock);
    free(client);
    return NULL;
}

static void *accept_thread(void *nothing)
{
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 256 * 1024);
    for (;;) {
        int fd = zl_accept(options, listener, false);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return nothing; /* the listener was shut down or closed */
        struct client *client = calloc(1, sizeof *client);
        if (!client)
            abort();
        client->fd = fd;
        pthread_mutex_lock(&lock);
        client->next = clients;
        if (clients)
            clients->previous = client;
        clients = client;
        client_count++;
        pthread_mutex_unlock(&lock);
        pthread_t thread;
        if (pthread_create(&thread, &detached, client_thread, client) != 0)
            abort();
    }
}

int zl_serve(const struct zl_options *given)
{
    options = given;
    int fds[ZL_MAX_LISTENERS];
    sem_init(&told_to_stop, 0, 0);
    if (options->sigterm != ZL_DIE) {
        struct sigaction action = { .sa_handler = on_sigterm, .sa_flags = SA_RESTART };
        sigaction(SIGTERM, &action, NULL);
    }
    if (zl_listen(options, false, NULL, fds) != 1)
        return 4;
    listener = fds[0];
    pthread_t threads[ACCEPTING];
    for (int i = 0; i < ACCEPTING; i++)
        if (pthread_create(&threads[i], NULL, accept_thread, NULL) != 0)
            return 5;
    while (sem_wait(&told_to_stop) != 0)
        continue;
    /* shutdown() is what wakes the threads in accept(); close() alone would not. */
    shutdown(listener, SHUT_RDWR);
    for (int i = 0; i < ACCEPTING; i++)
        pthread_join(threads[i], NULL);
    close(listener);
    pthread_mutex_lock(&lock);
    zl_draining = true;
    for (struct client *client = clients; client; client = client->next)
        if (client->reading)
            shutdown(client->fd, SHUT_RD);
    while (client_count > 0)
        pthread_cond_wait(&one_gone, &lock);
    pthread_mutex_unlock(&lock);
    return 0;
}
