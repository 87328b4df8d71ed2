/*
 * A clustered HTTP/1.1 server in plain C: one process per CPU, all on one port. `make demo` builds and starts it.
 *
 *     PORT=3000 WORKERS=4 ./demo
 *
 * The cluster is in main(). A worker is an ordinary single-threaded server around epoll: it answers GET, keeps
 * connections alive, takes pipelined requests, and finishes what it has begun when SIGTERM comes. To stay short it
 * sets no time limits to slow clients, which a server on the open internet needs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ecewo-cluster.h"

enum { MAX_CONNECTIONS = 4096, REQUEST_SIZE = 8192, ANSWER_SIZE = 512 };

typedef struct {
    bool open, close_when_sent;
    size_t received, to_send, sent;
    char answer[ANSWER_SIZE];
    char request[REQUEST_SIZE + 1]; /* with a '\0', so that string functions may read it */
} Connection;

static Connection connections[MAX_CONNECTIONS]; /* by descriptor */
static int open_connections, epoll_fd, listener;
static volatile sig_atomic_t stopping;

static void on_sigterm(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static void set_answer(Connection *c, const char *status, const char *body, bool with_body)
{
    c->sent = 0;
    c->to_send = (size_t)snprintf(c->answer, ANSWER_SIZE,
        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n%s",
        status, strlen(body), c->close_when_sent ? "close" : "keep-alive", with_body ? body : "");
}

/* The value of a header, or NULL. */
static const char *find_header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

/* `head` is one request, as far as its empty line. */
static void answer_request(Connection *c, const char *head)
{
    char method[8] = "", path[256] = "", version[16] = "", hello[64];
    sscanf(head, "%7s %255s %15s", method, path, version);
    bool is_get = strcmp(method, "GET") == 0;
    if ((!is_get && strcmp(method, "HEAD") != 0) || strncmp(version, "HTTP/1.", 7) != 0
        || find_header(head, "Content-Length") || find_header(head, "Transfer-Encoding")) {
        c->close_when_sent = true; /* a body may follow, which must not be taken for the next request */
        set_answer(c, "400 Bad Request", "GET only, and without a body.\n", true);
        return;
    }

    const char *connection = find_header(head, "Connection");
    if (connection == NULL)
        connection = strcmp(version, "HTTP/1.0") == 0 ? "close" : "keep-alive";
    c->close_when_sent = stopping || strncasecmp(connection, "close", 5) == 0;

    if (strcmp(path, "/crash") == 0)
        raise(SIGSEGV); /* as a bug would; the master starts a new worker */
    if (strcmp(path, "/") == 0) {
        snprintf(hello, sizeof hello, "Hello from worker %u (pid %d)\n", cluster_worker_id(), (int)getpid());
        set_answer(c, "200 OK", hello, is_get);
    } else {
        set_answer(c, "404 Not Found", "There are / and /crash.\n", is_get);
    }
}

/* ---- connections --------------------------------------------------------------------------------------------- */

/* Sends, answers and reads until that would have to wait. False when the connection is to be closed. */
static bool serve_connection(int fd, Connection *c)
{
    for (;;) {
        ssize_t n;
        char *end;
        if (c->sent < c->to_send) {
            n = send(fd, c->answer + c->sent, c->to_send - c->sent, MSG_NOSIGNAL);
            if (n < 0 && errno != EINTR)
                return errno == EAGAIN;
            c->sent += n > 0 ? (size_t)n : 0;
        } else if (c->close_when_sent) {
            return false;
        } else if ((end = strstr(c->request, "\r\n\r\n")) != NULL) {
            end[2] = '\0';
            answer_request(c, c->request);
            c->received -= (size_t)(end + 4 - c->request);
            memmove(c->request, end + 4, c->received + 1);
        } else if (c->received == REQUEST_SIZE) {
            c->close_when_sent = true;
            set_answer(c, "431 Request Header Fields Too Large", "", true);
        } else {
            n = recv(fd, c->request + c->received, REQUEST_SIZE - c->received, 0);
            if (n < 0 && errno == EAGAIN)
                return !stopping || c->received > 0; /* between two requests is the moment to part */
            if (n == 0 || (n < 0 && errno != EINTR))
                return false;
            c->received += n > 0 ? (size_t)n : 0;
            c->request[c->received] = '\0';
        }
    }
}

static void on_connection_ready(int fd)
{
    if (connections[fd].open && !serve_connection(fd, &connections[fd])) {
        connections[fd].open = false;
        open_connections--;
        close(fd);
    }
}

static void accept_connections(void)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd };
        if (fd >= MAX_CONNECTIONS || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
            continue;
        }
        Connection *c = &connections[fd];
        c->open = true;
        c->close_when_sent = false;
        c->received = c->to_send = c->sent = 0;
        c->request[0] = '\0';
        open_connections++;
    }
}

/* ---- the worker ---------------------------------------------------------------------------------------------- */

static bool start_listening(uint16_t port)
{
    int on = 1;
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY) };
    struct epoll_event event = { .events = EPOLLIN };
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return epoll_fd >= 0 && listener >= 0 && setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0
        && bind(listener, (struct sockaddr *)&any, sizeof any) == 0 && listen(listener, 511) == 0
        && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) == 0;
}

static int serve(uint16_t port)
{
    /* SIGTERM is blocked except while epoll_pwait sleeps, so that it cannot slip in between test and sleep. */
    sigset_t sigterm, while_waiting;
    struct sigaction action = { .sa_handler = on_sigterm };
    struct epoll_event ready[64];
    sigemptyset(&sigterm);
    sigaddset(&sigterm, SIGTERM);
    sigprocmask(SIG_BLOCK, &sigterm, &while_waiting);
    sigaction(SIGTERM, &action, NULL);
    if (!start_listening(port)) {
        perror("demo: cannot listen");
        return 1;
    }

    while (!stopping || open_connections > 0) {
        int count = epoll_pwait(epoll_fd, ready, 64, -1, &while_waiting);
        for (int i = 0; i < count; i++)
            if (ready[i].data.fd == listener)
                accept_connections();
            else
                on_connection_ready(ready[i].data.fd);
        if (stopping && listener >= 0) {
            accept_connections(); /* those who are connected already */
            close(listener);
            listener = -1;
            for (int fd = 0; fd < MAX_CONNECTIONS; fd++)
                on_connection_ready(fd); /* closes the idle ones */
        }
    }
    return 0;
}

/* ---- the cluster --------------------------------------------------------------------------------------------- */

static void on_worker_start(uint8_t worker_id)
{
    worker_stats_t worker;
    if (cluster_get_worker_stats(worker_id, &worker))
        printf("worker %u started, pid %d\n", worker_id, worker.pid);
}

static void on_worker_exit(uint8_t worker_id, int exit_status, bool is_crash)
{
    printf("worker %u %s, exit status %d\n", worker_id, is_crash ? "crashed" : "ended", exit_status);
}

static void say_what_to_try(void)
{
    unsigned port = cluster_get_port();
    worker_stats_t workers[255];
    int count = cluster_get_all_workers(workers, 255);
    printf("\n%d workers serve http://localhost:%u/ now. To try, in a second terminal:\n\n"
           "  which worker answers? ask again    curl http://localhost:%u/\n"
           "  kill a worker: it is replaced      kill -9 %d\n"
           "  let one die of a bug, the same     curl http://localhost:%u/crash\n"
           "  replace all of them, one by one    kill -USR2 %d\n\n"
           "Ctrl+C here ends them all.\n\n",
           count, port, port, count > 0 ? workers[0].pid : 0, port, (int)getpid());
}

int main(int argc, char *argv[])
{
    const char *port = getenv("PORT"), *workers = getenv("WORKERS");
    Cluster options = {
        .cpus = workers ? (uint8_t)atoi(workers) : cluster_cpus(),
        .port = port ? (uint16_t)atoi(port) : 3000,
        .respawn = true,
        .on_start = on_worker_start,
        .on_exit = on_worker_exit,
    };
    setvbuf(stdout, NULL, _IOLBF, 0); /* each line at once, in a pipe too */

    if (cluster_init(&options, argc, argv)) { /* the master: it only looks after the workers */
        say_what_to_try();
        cluster_wait_workers();
        return 0;
    }
    /* A worker: a fresh run of this program. (Or neither of the two: an [ERROR] line has said why.) */
    return cluster_is_worker() ? serve(cluster_get_port()) : 1;
}
