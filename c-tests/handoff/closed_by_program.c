/* contract 6.1: a worker that closes its listener and goes on running lets go of the queue: nobody waits there for ever. It may close it by
   close(), by a bare system call as libuv does, or by putting another file in its place. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

static char **arguments;

static void close_as_asked(int fd, const char *how)
{
    if (strcmp(how, "close") == 0) {
        CHECK_INT(close(fd), ==, 0);
    } else if (strcmp(how, "dup2") == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        CHECK_INT(dup2(null, fd), ==, fd);
    } else { /* as libuv does it */
        int set = atoi(strchr(how, ' '));
        struct epoll_event event;
        memset(&event, 0, sizeof event);
        CHECK_INT(epoll_ctl(set, EPOLL_CTL_DEL, fd, &event), ==, 0);
        CHECK_INT(syscall(SYS_close, fd), ==, 0);
    }
}

/* Serves its port with a thread of its own until it is told to close it; the main thread goes on serving the other one. */
static int to_close = -1;

static void on_close(const char *query, char *body, size_t size)
{
    char how[64];
    snprintf(how, sizeof how, "%s", query);
    if (strcmp(query, "bare") == 0) {
        int set = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN};
        CHECK_INT(epoll_ctl(set, EPOLL_CTL_ADD, to_close, &event), ==, 0);
        snprintf(how, sizeof how, "bare %d", set);
    }
    close_as_asked(to_close, how);
    snprintf(body, size, "closed by %s", query);
}

static int rig_worker(void)
{
    int listener = rig_listen("127.0.0.1", cluster_get_port(), 0);
    to_close = rig_listen("127.0.0.1", (uint16_t)atoi(arguments[4]), 0);
    rig_route("/close", on_close);
    return rig_serve(&listener, 1);
}

/* ---- libuv -------------------------------------------------------------------------------------------------------- */

static uv_tcp_t kept, given_up;
static uv_timer_t timer;

static void on_connection(uv_stream_t *server, int status)
{
    static char text[128];
    uv_tcp_t *client = calloc(1, sizeof *client);
    uv_write_t *write = calloc(1, sizeof *write);
    CHECK(status == 0 && client && write);
    uv_tcp_init(uv_default_loop(), client);
    CHECK_INT(uv_accept(server, (uv_stream_t *)client), ==, 0);
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    uv_buf_t buffer = uv_buf_init(text, (unsigned)length);
    CHECK_INT(uv_write(write, (uv_stream_t *)client, &buffer, 1, NULL), ==, 0);
}

static void look_at_gate(uv_timer_t *handle)
{
    if (gate_is_open("uv") && !uv_is_closing((uv_handle_t *)&given_up)) {
        uv_timer_stop(handle);
        uv_close((uv_handle_t *)&given_up, NULL);
    }
}

static void uv_listen_at(uv_tcp_t *listener, uint16_t port)
{
    struct sockaddr_in name;
    uv_tcp_init(uv_default_loop(), listener);
    uv_ip4_addr("127.0.0.1", port, &name);
    CHECK_INT(uv_tcp_bind(listener, (struct sockaddr *)&name, 0), ==, 0);
    CHECK_INT(uv_listen((uv_stream_t *)listener, 64, on_connection), ==, 0);
}

static int uv_worker(void)
{
    uv_listen_at(&kept, cluster_get_port());
    uv_listen_at(&given_up, (uint16_t)atoi(arguments[4]));
    uv_timer_init(uv_default_loop(), &timer);
    uv_timer_start(&timer, look_at_gate, 10, 10);
    say("worker %u listening", cluster_worker_id());
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    arguments = argv;
    return lab_main(&options, argc, argv, strcmp(variant, "uv") == 0 ? uv_worker : rig_worker);
}

/* ---- the driver --------------------------------------------------------------------------------------------------- */

static void closes(const char *how, bool is_successor)
{
    char port[16], path[32];
    test_case(how);
    uint16_t second = free_port();
    snprintf(port, sizeof port, "%u", (unsigned)second);
    snprintf(path, sizeof path, "/close?%s", how);
    app *a = app_start(.variant = how, .control = true, .env = lab_env(), .args = (const char *const[]){port, NULL});
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    if (is_successor)
        rig_crash(a, 0);
    CHECK(!rig_refused("127.0.0.1", second));
    pid_t pid = app_worker_pid(a, 0);
    if (strcmp(how, "uv") == 0)
        gate_open("uv");
    else
        CHECK_MATCH(rig_get("127.0.0.1", a->port, path), "closed by");
    WAIT_UNTIL(rig_refused("127.0.0.1", second));
    CHECK_INT(app_worker_pid(a, 0), ==, pid);
    int connection = rig_connect("127.0.0.1", a->port);
    CHECK_INT(connection, >=, 0);
    close(connection);
    app_stop(a);
}

void test_main(void)
{
    closes("close", false);
    closes("close", true);
    closes("bare", false);
    closes("bare", true);
    closes("uv", false);
    closes("dup2", false);
}
