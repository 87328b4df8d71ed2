/* contract 7.3, 6.1: a worker that abuses the hand-over's messages harms nobody but itself: descriptors that are no listeners, more listeners than
   anybody has, closings and drains out of turn. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* As in src/wire.rs. */
enum { LISTENING = 3, CLOSED = 6, DRAINED = 7 };

static int find_channel(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0, domain = 0;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
            type == SOCK_SEQPACKET && domain == AF_UNIX)
            return fd;
    }
    FAIL("this worker has no channel");
}

/* Magic, version, kind, zero; family, zero, port, 16 bytes of address, 4 of scope; 8 of inode. */
static ssize_t tell(int kind, const char *ip, uint16_t port, uint64_t inode, int descriptor)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    unsigned char bytes[36] = {0xEC, 1, (unsigned char)kind, 0, 4, 0, (unsigned char)port, (unsigned char)(port >> 8)};
    struct iovec data = {bytes, kind == DRAINED ? 4 : kind == CLOSED ? 36 : 28};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    inet_pton(AF_INET, ip, bytes + 8);
    memcpy(bytes + 28, &inode, 8);
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    int channel = find_channel();
    ssize_t sent;
    struct pollfd room = {.fd = channel, .events = POLLOUT};
    /* It does not block, and the master may be slow to read. */
    while ((sent = sendmsg(channel, &message, MSG_NOSIGNAL)) < 0 && errno == EAGAIN)
        CHECK_INT(poll(&room, 1, CT_WAIT_MS), ==, 1);
    return sent;
}

static uint64_t inode_of(int fd)
{
    struct stat status;
    CHECK_INT(fstat(fd, &status), ==, 0);
    return status.st_ino;
}

static int own_listener = -1;
static uint16_t other_port;

static void abuse(const char *kind, char *body, size_t size)
{
    uint16_t port = cluster_get_port();
    if (strcmp(kind, "file") == 0) {
        int file = open("/dev/null", O_RDWR | O_CLOEXEC);
        CHECK(tell(LISTENING, "127.0.0.1", port, 0, file) > 0);
    } else if (strcmp(kind, "bound-only") == 0) {
        int fd = rig_socket("127.0.0.7", 0);
        CHECK_INT(rig_bind_to(fd, "127.0.0.7", other_port), ==, 0);
        CHECK(tell(LISTENING, "127.0.0.7", other_port, 0, fd) > 0);
    } else if (strcmp(kind, "connection") == 0) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        CHECK_INT(connect(fd, (struct sockaddr *)&name, sizeof name), ==, 0);
        socklen_t length = sizeof name;
        CHECK_INT(getsockname(fd, (struct sockaddr *)&name, &length), ==, 0);
        CHECK(tell(LISTENING, "127.0.0.1", ntohs(name.sin_port), 0, fd) > 0);
    } else if (strcmp(kind, "elsewhere") == 0) {
        int real = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* no library tells of it */
        CHECK_INT(syscall(SYS_listen, real, 5), ==, 0);
        CHECK(tell(LISTENING, "127.0.0.9", port, 0, real) > 0);
    } else if (strcmp(kind, "many") == 0) {
        for (int i = 0; i < 300; i++) { /* listen() tells, and so do we */
            char address[32];
            snprintf(address, sizeof address, "127.0.%d.%d", 1 + i / 200, 1 + i % 200);
            int fd = rig_listen(address, other_port, 0);
            CHECK(tell(LISTENING, address, other_port, 0, fd) > 0);
            CHECK_INT(fd, <, 900);
        }
    } else if (strcmp(kind, "closed") == 0) {
        for (int i = 0; i < 20; i++) { /* nobody's, then its own, which it goes on using */
            CHECK(tell(CLOSED, "127.0.0.1", port, 12345u + (unsigned)i, -1) > 0);
            CHECK(tell(CLOSED, "0.0.0.0", 1, 0, -1) > 0);
        }
    } else if (strcmp(kind, "drained") == 0) {
        for (int i = 0; i < 20; i++)
            CHECK(tell(DRAINED, "0.0.0.0", 0, 0, -1) > 0);
    } else if (strcmp(kind, "own") == 0) {
        CHECK(tell(CLOSED, "0.0.0.0", port, inode_of(own_listener), -1) > 0);
    }
    snprintf(body, size, "worker %u pid %d sent", cluster_worker_id(), (int)getpid());
}

static int worker(void)
{
    own_listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    rig_route("/abuse", abuse);
    return rig_serve(&own_listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    other_port = (uint16_t)atoi(argv[4]);
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10,
                       .shutdown_timeout_ms = 1500, .respawn_max_crashes = 100};
    return lab_main(&options, argc, argv, worker);
}

static int descriptors_of_master(app *a)
{
    char path[64];
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)a->pid, fd);
        char target[8];
        count += readlink(path, target, sizeof target) > 0;
    }
    return count;
}

static void expect_health(app *a)
{
    for (int round = 0; round < 2; round++) {
        app_wait_serving(a, 2);
        rig_restart(a);
        rig_crash(a, 1);
    }
    app_wait_serving(a, 2);
}

static http_answer order(app *a, const char *kind)
{
    char path[64];
    test_case(kind);
    snprintf(path, sizeof path, "/abuse?%s", kind);
    int connection = http_open_worker(a->port, 1);
    http_answer answer = http_request(connection, path, CT_WAIT_MS);
    close(connection);
    return answer;
}

static void is_a_crash(app *a, const char *kind)
{
    pid_t old = app_worker_pid(a, 1), other = app_worker_pid(a, 0);
    size_t mark = app_mark_err(a), out = app_mark_out(a);
    int before = descriptors_of_master(a);
    order(a, kind);
    app_wait_err_since(a, mark, "re:^\\[ERROR\\] Worker 1 sent the master a descriptor that is no listening socket");
    app_wait_err_since(a, mark, "re:^\\[ERROR\\] Worker 1 crashed after [0-9]+ s");
    app_wait_new_pid(a, 1, old);
    WAIT_UNTIL(!proc_alive(old));
    app_wait_out_since(a, out, "worker 1 listening");
    CHECK_INT(app_worker_pid(a, 0), ==, other);
    app_wait_serving(a, 2);
    WAIT_UNTIL(descriptors_of_master(a) <= before);
}

static void is_harmless(app *a, const char *kind)
{
    pid_t one = app_worker_pid(a, 0), two = app_worker_pid(a, 1);
    size_t mark = app_mark_err(a);
    CHECK_INT(order(a, kind).outcome, ==, HTTP_ANSWERED);
    app_wait_serving(a, 2);
    CHECK_INT(app_worker_pid(a, 0), ==, one);
    CHECK_INT(app_worker_pid(a, 1), ==, two);
    app_expect_no_err_since(a, mark, "[ERROR]");
    expect_health(a);
}

void test_main(void)
{
    test_time_limit(120);
    char port[16];
    snprintf(port, sizeof port, "%u", (unsigned)free_port());
    app *a = app_start(.control = true, .args = (const char *const[]){port, NULL});
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    is_harmless(a, "drained");
    is_harmless(a, "closed");
    is_a_crash(a, "file");
    is_a_crash(a, "bound-only");
    is_a_crash(a, "connection");
    is_a_crash(a, "elsewhere");
    int before = descriptors_of_master(a);
    is_harmless(a, "many");
    WAIT_UNTIL(descriptors_of_master(a) <= before); /* nobody has adopted them */
    expect_health(a);
    /* It says that it has closed its listener, and goes on: it is believed, and its own queue suffers until it ends. */
    CHECK_INT(order(a, "own").outcome, ==, HTTP_ANSWERED);
    rig_crash(a, 1);
    expect_health(a);
    app_stop(a);
}
