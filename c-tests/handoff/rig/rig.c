/* The worker of the tests of the hand-over, see rig.h. */
#include "rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_LISTENERS 8
#define MOST_FDS 1024
#define MOST_ROUTES 16

/* ---- listeners ---------------------------------------------------------------------------------------------------- */

static socklen_t fill_address(struct sockaddr_storage *name, const char *address, uint16_t port)
{
    memset(name, 0, sizeof *name);
    if (strchr(address, ':')) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        CHECK_INT(inet_pton(AF_INET6, address, &v6->sin6_addr), ==, 1);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)name;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    CHECK_INT(inet_pton(AF_INET, address, &v4->sin_addr), ==, 1);
    return sizeof *v4;
}

int rig_socket(const char *address, unsigned flags)
{
    int on = 1, off = 0;
    int fd = socket(strchr(address, ':') ? AF_INET6 : AF_INET,
                    SOCK_STREAM | SOCK_CLOEXEC | (flags & RIG_BLOCKING ? 0 : SOCK_NONBLOCK), 0);
    CHECK_INT(fd, >=, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (flags & RIG_REUSEPORT)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (flags & (RIG_V6ONLY | RIG_DUAL))
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, flags & RIG_V6ONLY ? &on : &off, sizeof on);
    return fd;
}

int rig_bind_to(int fd, const char *address, uint16_t port)
{
    struct sockaddr_storage name;
    socklen_t size = fill_address(&name, address, port);
    return bind(fd, (struct sockaddr *)&name, size);
}

int rig_listen(const char *address, uint16_t port, unsigned flags)
{
    int fd = rig_socket(address, flags);
    if (rig_bind_to(fd, address, port) != 0 || listen(fd, 256) != 0) {
        say("worker %u cannot listen: %s", cluster_worker_id(), strerror(errno));
        _exit(4);
    }
    return fd;
}

uint64_t rig_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), ==, 0);
    return cookie;
}

int rig_open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1; /* the folder itself */
}

/* ---- the server --------------------------------------------------------------------------------------------------- */

typedef struct {
    bool open, holds;
    int listener;
    size_t used;
    char request[4096], gate[64];
} client;

static client clients[MOST_FDS];
static int held = 0, set = -1;
static const int *all_listeners;
static int listener_count;
static volatile sig_atomic_t is_finishing = 0;
static struct {
    const char *path;
    void (*handler)(const char *query, char *body, size_t size);
} routes[MOST_ROUTES];
static int route_count = 0;

void rig_route(const char *path, void (*handler)(const char *query, char *body, size_t size))
{
    CHECK_INT(route_count, <, MOST_ROUTES);
    routes[route_count].path = path;
    routes[route_count++].handler = handler;
}

static void on_sigterm(int number)
{
    (void)number;
    is_finishing = 1;
}

void rig_finish_on_sigterm(void)
{
    struct sigaction action = {.sa_handler = on_sigterm};
    sigaction(SIGTERM, &action, NULL);
}

static void end(int fd)
{
    if (clients[fd].holds)
        held--;
    memset(&clients[fd], 0, sizeof clients[fd]);
    close(fd);
}

static void answer(int fd, const char *body)
{
    char text[4096];
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
        end(fd);
}

static void identity(int fd)
{
    char body[128];
    snprintf(body, sizeof body, "worker %u pid %d listener %d", cluster_worker_id(), (int)getpid(), clients[fd].listener);
    answer(fd, body);
}

static void cookies(int fd)
{
    char body[512];
    size_t used = (size_t)snprintf(body, sizeof body, "worker %u pid %d cookies", cluster_worker_id(), (int)getpid());
    for (int i = 0; i < listener_count; i++)
        if (all_listeners[i] >= 0)
            used += (size_t)snprintf(body + used, sizeof body - used, " %llu",
                                     (unsigned long long)rig_cookie(all_listeners[i]));
    answer(fd, body);
}

static void handle(int fd, const char *path, const char *query)
{
    client *c = &clients[fd];
    if (strcmp(path, "/hold") == 0) {
        snprintf(c->gate, sizeof c->gate, "%.63s", query);
        c->holds = true;
        held++;
        return;
    }
    if (strcmp(path, "/cookies") == 0) {
        cookies(fd);
        return;
    }
    for (int i = 0; i < route_count; i++) {
        if (strcmp(path, routes[i].path) == 0) {
            char body[2048] = "";
            routes[i].handler(query, body, sizeof body);
            answer(fd, body);
            return;
        }
    }
    identity(fd);
}

static void handle_requests(int fd)
{
    client *c = &clients[fd];
    char *stop;
    while (c->open && !c->holds && (stop = strstr(c->request, "\r\n\r\n")) != NULL) {
        char path[128] = "", query[128] = "";
        *stop = '\0';
        if (sscanf(c->request, "GET %127[^? ]?%127[^ ]", path, query) < 1) {
            c->used = 0; /* another protocol: it is heard, and left unanswered */
            c->request[0] = '\0';
            return;
        }
        size_t length = (size_t)(stop - c->request) + 4;
        memmove(c->request, c->request + length, c->used - length + 1);
        c->used -= length;
        handle(fd, path, query);
    }
}

static void take(int fd)
{
    client *c = &clients[fd];
    ssize_t got = read(fd, c->request + c->used, sizeof c->request - 1 - c->used);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        end(fd);
        return;
    }
    c->used += (size_t)got;
    c->request[c->used] = '\0';
    handle_requests(fd);
}

static void accept_all(int index)
{
    int fd;
    while ((fd = accept4(all_listeners[index], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        CHECK_INT(fd, <, MOST_FDS);
        clients[fd] = (client){.open = true, .listener = index};
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1000u + (unsigned)fd};
        CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), ==, 0);
    }
}

static void look_at_gates(void)
{
    for (int fd = 0; fd < MOST_FDS && held > 0; fd++) {
        if (clients[fd].holds && gate_is_open(clients[fd].gate)) {
            clients[fd].holds = false;
            held--;
            identity(fd);
            handle_requests(fd);
        }
    }
}

static void finish(void)
{
    for (int i = 0; i < listener_count; i++)
        if (all_listeners[i] >= 0)
            close(all_listeners[i]);
    while (held > 0) {
        look_at_gates();
        usleep(5000);
    }
    exit(0);
}

int rig_serve(const int *listeners, int count)
{
    all_listeners = listeners;
    listener_count = count;
    set = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (unsigned)i};
        if (listeners[i] >= 0)
            CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, listeners[i], &event), ==, 0);
    }
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        struct epoll_event events[16];
        int number = epoll_wait(set, events, 16, held > 0 ? 10 : -1);
        if (is_finishing)
            finish();
        for (int i = 0; i < number; i++) {
            if (events[i].data.u64 < MOST_LISTENERS)
                accept_all((int)events[i].data.u64);
            else if (clients[events[i].data.u64 - 1000].open)
                take((int)events[i].data.u64 - 1000);
        }
        look_at_gates();
    }
}
