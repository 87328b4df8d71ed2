/* contract 7.3: whatever a worker sends on its channel, the master and the other worker go on: empty and cut messages, sockets that are no TCP
   listeners, hundreds of descriptors, more messages than anybody needs, and a channel that is closed. */
#include "lab.h"
#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* As in src/wire.rs. */
enum { BORN = 1, LISTENING = 3, HEADER = 4, LISTENING_SIZE = 28, MOST = 253 };

/* The channel is the only Unix SOCK_SEQPACKET socket of a worker. */
static int find_channel(void)
{
    static int found = -1;
    for (int fd = 3; found < 0 && fd < 1024; fd++) {
        int type = 0, domain = 0;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
            type == SOCK_SEQPACKET && domain == AF_UNIX)
            found = fd;
    }
    CHECK_MSG(found >= 0, "this worker has no channel");
    return found; /* a flood needs it often */
}

/* A message that begins as one of `kind` does, cut to `size`, with `count` duplicates of a descriptor. */
static ssize_t tell(int kind, size_t size, int descriptor, int count)
{
    static union {
        struct cmsghdr header;
        char room[CMSG_SPACE(MOST * sizeof(int))];
    } control;
    uint16_t port = cluster_get_port();
    unsigned char bytes[LISTENING_SIZE] = {0xEC, 1, (unsigned char)kind, 0, 4, 0, (unsigned char)port, (unsigned char)(port >> 8), 127, 0, 0, 1};
    struct iovec data = {bytes, size};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    int descriptors[MOST];
    if (count > 0) {
        for (int i = 0; i < count; i++)
            descriptors[i] = descriptor;
        memset(&control, 0, sizeof control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), descriptors, (size_t)count * sizeof(int));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    }
    return sendmsg(find_channel(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* /be?KIND, in the worker */
static void be(const char *kind, char *body, size_t size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int other = -1;
    if (strcmp(kind, "empty") == 0) {
        CHECK_INT(tell(0, 0, -1, 0), ==, 0);
    } else if (strcmp(kind, "cut") == 0) {
        CHECK(tell(LISTENING, LISTENING_SIZE - 1, -1, 0) > 0);
    } else if (strcmp(kind, "header-only") == 0) {
        CHECK(tell(LISTENING, HEADER, -1, 0) > 0);
    } else if (strcmp(kind, "unix") == 0) {
        other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_INT(bind(other, (struct sockaddr *)&name, sizeof name.sun_family), ==, 0); /* the kernel chooses an abstract name */
        CHECK_INT(listen(other, 5), ==, 0);
        CHECK(tell(LISTENING, LISTENING_SIZE, other, 1) > 0);
    } else if (strcmp(kind, "udp") == 0) {
        other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(tell(LISTENING, LISTENING_SIZE, other, 1) > 0);
    } else if (strcmp(kind, "hundreds") == 0) {
        other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(tell(LISTENING, LISTENING_SIZE, other, MOST) > 0);
    } else if (strcmp(kind, "flood") == 0) { /* every one of them makes sense */
        for (int i = 0; i < 300000 && (tell(BORN, HEADER, -1, 0) >= 0 || errno == EAGAIN); i++)
            ;
    } else if (strcmp(kind, "close") == 0) {
        CHECK_INT(close(find_channel()), ==, 0);
    } else if (strcmp(kind, "shutdown") == 0) {
        CHECK_INT(shutdown(find_channel(), SHUT_RDWR), ==, 0);
    }
    if (other >= 0)
        close(other);
    snprintf(body, size, "worker %u pid %d did it", cluster_worker_id(), (int)getpid());
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10,
                       .shutdown_timeout_ms = 1000, .respawn_max_crashes = 100};
    server_route("/be", be);
    return app_serve(&options, argc, argv);
}

static void order(app *a, const char *kind)
{
    char path[64];
    test_case(kind);
    snprintf(path, sizeof path, "/be?%s", kind);
    int connection = http_open_worker(a->port, 1);
    http_request(connection, path, CT_WAIT_MS); /* it may be ended before it can answer */
    close(connection);
}

/* 7.3: a fault of the worker's: it counts as crashed, and nobody else is affected. */
static void is_a_crash(app *a, const char *kind)
{
    pid_t old = app_worker_pid(a, 1), other = app_worker_pid(a, 0);
    size_t mark = app_mark_err(a);
    order(a, kind);
    app_wait_err_since(a, mark, "re:^\\[ERROR\\] Worker 1 sent the master .*: its channel is closed, and it is stopped as if it had crashed$");
    app_wait_err_since(a, mark, "re:^\\[ERROR\\] Worker 1 crashed after [0-9]+ s");
    app_wait_new_pid(a, 1, old);
    WAIT_UNTIL(!proc_alive(old));
    CHECK_INT(app_worker_pid(a, 0), ==, other);
    app_expect_no_err_since(a, mark, "orker 0");
    app_wait_serving(a, 2);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    char before[64], after[64];
    CHECK(proc_status_field(a->pid, "FDSize", before, sizeof before));
    static const char *const crashes[] = {"empty", "cut", "header-only", "unix", "udp", "hundreds", "flood"};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        is_a_crash(a, crashes[i]);
    CHECK(proc_status_field(a->pid, "FDSize", after, sizeof after)); /* no descriptor that was sent is kept */
    CHECK_STR(after, before);

    /* Without a channel a worker is a worker still: it serves, and is replaced in a restart. */
    order(a, "close");
    app_wait_serving(a, 2);
    pid_t mute = app_worker_pid(a, 1);
    app_ctl(a, "restart");
    app_wait_new_pid(a, 1, mute);
    WAIT_UNTIL(!proc_alive(mute));
    app_wait_serving(a, 2);

    /* One that is shut down looks like the master's end, for which a worker stops. The other one serves. */
    pid_t other = app_worker_pid(a, 0), lost = app_worker_pid(a, 1);
    order(a, "shutdown");
    WAIT_UNTIL(!proc_alive(lost));
    CHECK_INT(app_worker_pid(a, 0), ==, other);
    CHECK_INT(http_get(a->port, "/").worker, ==, 0);
    app_stop(a);
}
