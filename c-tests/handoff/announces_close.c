/* contract 6.3: in a drain the last answer of a kept-alive connection says Connection: close, however the server writes it; else it is
   byte for byte the server's. An answer that another request waits behind says nothing of the kind. */
#include "rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct {
    const char *name, *head, *body;
} answers[] = {
    {"keep-alive", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nX-Last: 1\r\n\r\n", "hello"},
    {"nothing", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n", "hello"},
    {"lower case", "HTTP/1.1 200 OK\r\ncontent-length:5\r\nconnection:keep-alive\r\n\r\n", "hello"},
    {"upper case", "HTTP/1.1 200 OK\r\nCONNECTION: KEEP-ALIVE\r\nCONTENT-LENGTH: 5\r\n\r\n", "hello"},
    {"spaces", "HTTP/1.1 200 OK\r\nConnection:  Keep-Alive \r\nContent-Length:   5  \r\n\r\n", "hello"},
    {"no body", "HTTP/1.1 204 No Content\r\nDate: Mon, 23 Nov 2026 20:00:00 GMT\r\n\r\n", ""},
    {"empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
    {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"},
    {"chunked, keep-alive", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"},
    {"says close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "hello"},
};
#define ANSWERS (sizeof answers / sizeof *answers)
static const char *const ways[] = {"send", "write", "writev", "sendmsg", "sendto", "head and body", "lines", "writev of lines", "writev of bytes", "bytes"};
#define WAYS (sizeof ways / sizeof *ways)

/* ---- the worker: one thread, blocking connections, one request: /ANSWER.WAY.COUNT ---------------------------------- */

static void send_piece(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(fd, text, size);
        CHECK_MSG(sent > 0 && (size_t)sent <= size, "write of %d gave %d: %s", (int)size, (int)sent, strerror(errno));
        text += sent;
        size -= (size_t)sent;
    }
}

static size_t cut(const char *text, size_t size, size_t step, struct iovec *parts)
{
    size_t count = 0;
    for (size_t at = 0; at < size; count++) {
        const char *line = memchr(text + at, '\n', size - at);
        size_t length = step ? step : line ? (size_t)(line - text) + 1 - at : size - at;
        if (length > size - at)
            length = size - at;
        parts[count] = (struct iovec){(char *)text + at, length};
        at += length;
    }
    return count;
}

static void send_answer(int fd, size_t which, const char *way)
{
    char whole[1024];
    struct iovec parts[1024];
    const char *head = answers[which].head, *body = answers[which].body;
    size_t size = (size_t)snprintf(whole, sizeof whole, "%s%s", head, body);
    if (strcmp(way, "send") == 0) {
        CHECK_INT(send(fd, whole, size, MSG_NOSIGNAL), ==, size);
    } else if (strcmp(way, "write") == 0) {
        CHECK_INT(write(fd, whole, size), ==, size);
    } else if (strcmp(way, "sendto") == 0) {
        CHECK_INT(sendto(fd, whole, size, MSG_NOSIGNAL, NULL, 0), ==, size);
    } else if (strcmp(way, "writev") == 0 || strcmp(way, "sendmsg") == 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        parts[0] = (struct iovec){(char *)head, strlen(head)};
        parts[1] = (struct iovec){(char *)body, strlen(body)};
        CHECK_INT(strcmp(way, "writev") == 0 ? writev(fd, parts, 2) : sendmsg(fd, &message, MSG_NOSIGNAL), ==, size);
    } else if (strcmp(way, "head and body") == 0) {
        send_piece(fd, head, strlen(head));
        send_piece(fd, body, strlen(body));
    } else if (strncmp(way, "writev of", 9) == 0) {
        size_t count = cut(whole, size, strstr(way, "bytes") ? 3 : 0, parts);
        CHECK_INT(writev(fd, parts, (int)count), ==, size);
    } else {
        size_t count = cut(whole, size, strcmp(way, "bytes") == 0 ? 1 : 0, parts);
        for (size_t i = 0; i < count; i++)
            send_piece(fd, parts[i].iov_base, parts[i].iov_len);
    }
}

#define MOST 256
static struct {
    bool open;
    size_t used;
    char request[2048];
} clients[MOST];

/* Every whole request is answered, once the gate that it names is open. */
static void answer_requests(int fd)
{
    char *stop;
    while ((stop = strstr(clients[fd].request, "\r\n\r\n")) != NULL) {
        int which = 0, way = 0;
        CHECK_INT(sscanf(clients[fd].request, "GET /%d.%d", &which, &way), ==, 2);
        size_t length = (size_t)(stop - clients[fd].request) + 4;
        memmove(clients[fd].request, stop + 4, clients[fd].used - length + 1);
        clients[fd].used -= length;
        send_answer(fd, (size_t)which, ways[way]);
        if (strstr(answers[which].head, "Connection: close")) {
            clients[fd].open = false;
            close(fd);
            return;
        }
    }
}

static void read_client(int fd)
{
    ssize_t got = recv(fd, clients[fd].request + clients[fd].used, sizeof clients[fd].request - 1 - clients[fd].used, 0);
    if (got <= 0) {
        clients[fd].open = false;
        close(fd);
        return;
    }
    clients[fd].used += (size_t)got;
    clients[fd].request[clients[fd].used] = '\0';
}

static int worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        struct pollfd fds[MOST] = {{.fd = listener, .events = POLLIN}};
        nfds_t count = 1;
        for (int fd = 0; fd < MOST; fd++)
            if (clients[fd].open)
                fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        if (poll(fds, count, 20) < 0)
            continue;
        for (nfds_t i = 1; i < count; i++)
            if (fds[i].revents)
                read_client(fds[i].fd);
        for (int fd = 0; fd < MOST; fd++)
            if (clients[fd].open && (strstr(clients[fd].request, "X-Gate") == NULL || gate_is_open("answer")))
                answer_requests(fd);
        int fd = fds[0].revents ? accept(listener, NULL, NULL) : -1;
        if (fd >= 0) {
            CHECK_INT(fd, <, MOST);
            memset(&clients[fd], 0, sizeof clients[fd]);
            clients[fd].open = true;
        }
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = 20000};
    (void)variant;
    return lab_main(&options, argc, argv, worker);
}

/* ---- the driver --------------------------------------------------------------------------------------------------- */

static const char *request_of(size_t which, size_t way)
{
    static char text[256];
    snprintf(text, sizeof text, "GET /%zu.%zu HTTP/1.1\r\nHost: localhost\r\nX-Gate: 1\r\n\r\n", which, way);
    return text;
}

/* All that comes until the end of the connection. */
static void read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    for (ssize_t got; used < size - 1 && rig_readable(fd, CT_WAIT_MS); used += (size_t)got) {
        got = recv(fd, text + used, size - 1 - used, MSG_DONTWAIT);
        CHECK_MSG(got >= 0, "instead of an end: %s", strerror(errno));
        if (got == 0) {
            text[used] = '\0';
            return;
        }
    }
    text[used] = '\0';
    FAIL("the connection does not end; it brought: %s", text);
}

/* The server's answer with the announcement in it, in the form in which it came, or "". */
static bool is_announced(const char *text, size_t which)
{
    char whole[1024], expected[1200];
    const char *head = answers[which].head;
    snprintf(whole, sizeof whole, "%s%s", head, answers[which].body);
    const char *value = strcasestr(head, "keep-alive");
    if (strstr(head, "Connection: close"))
        return strcmp(text, whole) == 0;
    if (value) {
        snprintf(expected, sizeof expected, "%.*sclose     %s%s", (int)(value - head), head, value + 10, answers[which].body);
        if (strcmp(text, expected) == 0)
            return true;
    }
    snprintf(expected, sizeof expected, "%.*sConnection: close\r\n\r\n%s", (int)strlen(head) - 2, head, answers[which].body);
    return strcmp(text, expected) == 0;
}

static int failures = 0;

/* All ways are tried before the test fails. */
static void expect(bool holds, const char *what, const char *text)
{
    if (!holds) {
        failures++;
        printf("%s:\n%s\n", what, text);
    }
}

static void one_way(size_t way)
{
    int single[ANSWERS], double_[ANSWERS];
    char text[4096], whole[1024];
    static char place[64];
    unlink(lab_path("gate-answer"));
    app *a = app_start(.control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    for (size_t i = 0; i < ANSWERS; i++) {
        single[i] = rig_connect("127.0.0.1", a->port);
        rig_send_text(single[i], request_of(i, way));
        double_[i] = rig_connect("127.0.0.1", a->port);
        rig_send_text(double_[i], request_of(0, way));
        rig_send_text(double_[i], request_of(i, way));
    }
    pid_t old = app_worker_pid(a, 0);
    int last = rig_connect("127.0.0.1", a->port);

    rig_send_text(last, "GET /1.0 HTTP/1.1\r\n\r\n");
    rig_answer(last, text, sizeof text); /* so all of them were accepted */
    app_ctl(a, "restart");
    app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 2);
    CHECK(rig_ends(last, CT_WAIT_MS)); /* so the drain has begun */
    close(last);
    gate_open("answer");
    for (size_t i = 0; i < ANSWERS; i++) {
        snprintf(place, sizeof place, "%s, %s", ways[way], answers[i].name);
        test_case(place);
        read_all(single[i], text, sizeof text);
        expect(is_announced(text, i), "the last answer is not announced as such, or otherwise changed", text);
        read_all(double_[i], text, sizeof text);
        size_t first = (size_t)snprintf(whole, sizeof whole, "%s%s", answers[0].head, answers[0].body);
        expect(strncmp(text, whole, first) == 0, "the first of two answers has been changed", text);
        expect(strlen(text) > first && is_announced(text + first, i), "the second of two is not announced as the last, or otherwise changed", text);
        close(single[i]);
        close(double_[i]);
    }
    lab_finish_restart(a);
    app_expect_err_count(a, "", 0);
    app_stop(a);
}

void test_main(void)
{
    test_time_limit(120);
    for (size_t way = 0; way < WAYS; way++)
        one_way(way);
    CHECK_INT(failures, ==, 0);
}
