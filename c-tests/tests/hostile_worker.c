/* contract 7.3: what a worker writes on its channel is not trusted: that worker counts as crashed, is ended and respawned; the master and
 * the others go on. */
#include "harness.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The channel is the only Unix SOCK_SEQPACKET socket of a worker. */
static int find_channel(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0, domain = 0;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
            type == SOCK_SEQPACKET && domain == AF_UNIX)
            return fd;
    }
    return -1;
}

static ssize_t send_bytes(int channel, size_t size, unsigned char fill)
{
    static unsigned char bytes[200 * 1024];
    memset(bytes, fill, size);
    return send(channel, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A message with more descriptors in it than anybody asked for. */
static ssize_t send_descriptors(int channel)
{
    enum { COUNT = 100 };
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(COUNT * sizeof(int))];
    } control;
    char byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = 0;
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.header), fds, sizeof fds);
    return sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* /junk?KIND, in the worker */
static void send_junk(const char *kind, char *body, size_t size)
{
    int channel = find_channel();
    ssize_t sent = -1;
    if (strcmp(kind, "stubborn") == 0)
        signal(SIGTERM, SIG_IGN); /* so only SIGKILL ends it, after the shutdown timeout */
    if (channel < 0)
        errno = ENOTSOCK;
    else if (strcmp(kind, "oversized") == 0)
        sent = send_bytes(channel, 150 * 1024, 1);
    else if (strcmp(kind, "zeros") == 0)
        sent = send_bytes(channel, 64, 0);
    else if (strcmp(kind, "descriptors") == 0)
        sent = send_descriptors(channel);
    else if (strcmp(kind, "flood") == 0)
        for (int i = 0; i < 100000 && (send_bytes(channel, 64, (unsigned char)i) >= 0 || errno == EAGAIN); i++)
            sent = i;
    else
        sent = send_bytes(channel, 23, 0xa5);
    snprintf(body, size, "sent %d: %s", (int)sent, sent < 0 ? strerror(errno) : "");
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10,
                       .shutdown_timeout_ms = 700, .respawn_max_crashes = 100};
    server_route("/junk", send_junk);
    return app_serve(&options, argc, argv);
}

static void junk_is_a_crash(app *a, const char *kind, int crash)
{
    test_case(kind);
    char path[64];
    pid_t old = app_worker_pid(a, 1), other = app_worker_pid(a, 0);
    size_t mark = app_mark_err(a);
    snprintf(path, sizeof path, "/junk?%s", kind);
    int connection = http_open_worker(a->port, 1);
    http_answer answer = http_request(connection, path, CT_WAIT_MS);
    close(connection);
    if (answer.outcome == HTTP_ANSWERED) /* it may have been ended before it could answer */
        CHECK_MATCH(answer.body, "re:^sent [0-9]");

    app_wait_err_since(a, mark, "re:^\\[ERROR\\] .*[Ww]orker 1"); /* what was wrong */
    app_wait_err_since(a, mark, "re:^\\[ERROR\\] Worker 1 crashed after [0-9]+ s \\((signal [0-9]+|exit 0)\\)$");
    CHECK_INT(app_wait_new_pid(a, 1, old), !=, old);
    WAIT_UNTIL(!proc_alive(old));
    WAIT_UNTIL(ctl_field(app_ctl(a, "stats"), "restarts") == crash);
    CHECK_INT(app_worker_pid(a, 0), ==, other);
    app_expect_no_err_since(a, mark, "orker 0");
    app_wait_serving(a, 2);
}

void test_main(void)
{
    static const char *const kinds[] = {"garbage", "zeros", "oversized", "descriptors", "flood", "stubborn"};
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    int crash = 0;
    char before[64], after[64];
    CHECK(proc_status_field(a->pid, "FDSize", before, sizeof before));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        junk_is_a_crash(a, kinds[i], ++crash);
    CHECK(proc_status_field(a->pid, "FDSize", after, sizeof after)); /* no descriptor that was sent is kept */
    CHECK_STR(after, before);
    app_stop(a);
}
