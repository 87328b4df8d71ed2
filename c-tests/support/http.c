/* A bounded HTTP client for 127.0.0.1, and free ports. */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* For one of several attempts: it may have got into the queue of a worker that is just being replaced. */
#define ATTEMPT_MS 1000

/* ---- ports -------------------------------------------------------------------------------------------------------- */

/* A name in the abstract Unix namespace is the lock on a port number: other tests of this machine look at it too, and the kernel
   gives it back when the driver ends, however it ends. */
static bool lock_port(uint16_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "cluster-test-port-%u", (unsigned)port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (bind(fd, (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0)
        return true;
    close(fd);
    return false;
}

/* Binds, asks which number it got and lets it go; 0 if it is taken. Without SO_REUSEADDR: also remains of old connections disturb. */
static uint16_t probe_port(uint16_t wanted)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(wanted), .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port = 0;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    close(fd);
    return port;
}

uint16_t free_port(void)
{
    /* Below the range from which the kernel takes the ports of outgoing connections: else a client of another test could get it. */
    int lowest_outgoing = 32768;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (file) {
        if (fscanf(file, "%d", &lowest_outgoing) != 1)
            lowest_outgoing = 32768;
        fclose(file);
    }
    for (int attempt = 0; attempt < 2000; attempt++) {
        int wanted = lowest_outgoing > 12000 ? 10000 + rand() % (lowest_outgoing - 10000) : 0;
        uint16_t port = probe_port((uint16_t)wanted);
        if (port != 0 && lock_port(port))
            return port;
    }
    ct_fail(ct_file, ct_line, "no free port found");
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static http_answer failed(http_outcome outcome)
{
    return (http_answer){.outcome = outcome, .worker = -1};
}

static http_outcome outcome_of_errno(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return HTTP_REFUSED;
    case ECONNRESET:
    case EPIPE:
        return HTTP_RESET;
    case ETIMEDOUT:
        return HTTP_TIMEOUT;
    default:
        return HTTP_BROKEN;
    }
}

/* The apps' pipes are read meanwhile, so that no app blocks on a full one. */
static bool wait_for(int fd, short events, int64_t end)
{
    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = events};
        int64_t left = end - ct_now_ms();
        if (left <= 0)
            return false;
        if (poll(&waiting, 1, left < 100 ? (int)left : 100) > 0)
            return true;
        ct_pump(0);
    }
}

static int open_until(uint16_t port, int64_t end, http_outcome *outcome)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    socklen_t size = sizeof error;
    if (fd < 0) {
        *outcome = HTTP_BROKEN;
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        if (!wait_for(fd, POLLOUT, end))
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
    }
    if (error == 0)
        return fd;
    *outcome = outcome_of_errno(error);
    close(fd);
    return -1;
}

int http_open(uint16_t port)
{
    http_outcome outcome;
    return open_until(port, ct_deadline(CT_WAIT_MS), &outcome);
}

static bool header_value(const char *head, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1;
            line += strspn(line, " \t");
            snprintf(value, size, "%.*s", (int)strcspn(line, "\r\n"), line);
            return true;
        }
    }
    return false;
}

/* True when `text` holds a whole answer (with Content-Length, as the tests' server writes it), which is then taken apart. */
static bool parse_answer(const char *text, size_t size, http_answer *answer)
{
    char value[64];
    const char *body = strstr(text, "\r\n\r\n");
    if (!body)
        return false;
    if (sscanf(text, "HTTP/1.1 %d", &answer->status) != 1 || !header_value(text, "Content-Length", value, sizeof value)) {
        answer->outcome = HTTP_BROKEN;
        return true;
    }
    size_t length = strtoul(value, NULL, 10);
    body += 4;
    if (size - (size_t)(body - text) < length)
        return false;
    snprintf(answer->body, sizeof answer->body, "%.*s", (int)length, body);
    answer->closes = header_value(text, "Connection", value, sizeof value) && strcasecmp(value, "close") == 0;
    answer->outcome = HTTP_ANSWERED;
    int worker = 0, pid = 0;
    if (sscanf(answer->body, "worker %d pid %d", &worker, &pid) == 2) {
        answer->worker = worker;
        answer->pid = pid;
    }
    return true;
}

static http_answer read_answer(int fd, int64_t end)
{
    static char text[64 * 1024];
    size_t used = 0;
    http_answer answer = failed(HTTP_TIMEOUT);
    while (used < sizeof text - 1 && wait_for(fd, POLLIN, end)) {
        ssize_t got = recv(fd, text + used, sizeof text - 1 - used, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            return failed(got == 0 ? HTTP_CLOSED : outcome_of_errno(errno));
        used += (size_t)got;
        text[used] = '\0';
        if (parse_answer(text, used, &answer))
            return answer;
    }
    return failed(used == sizeof text - 1 ? HTTP_BROKEN : HTTP_TIMEOUT);
}

static http_answer request_until(int fd, const char *path, const char *more, int64_t end)
{
    char request[1024];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, more);
    ssize_t sent = send(fd, request, (size_t)length, MSG_NOSIGNAL);
    if (sent < 0)
        return failed(outcome_of_errno(errno));
    if (sent != length)
        return failed(HTTP_BROKEN); /* so short a request fits into any send buffer */
    return read_answer(fd, end);
}

http_answer http_request(int fd, const char *path, int64_t ms)
{
    return request_until(fd, path, "", ct_deadline(ms));
}

http_answer http_get_within(uint16_t port, const char *path, int64_t ms)
{
    int64_t end = ct_deadline(ms);
    http_outcome outcome;
    int fd = open_until(port, end, &outcome);
    if (fd < 0)
        return failed(outcome);
    http_answer answer = request_until(fd, path, "Connection: close\r\n", end);
    close(fd);
    return answer;
}

http_answer http_get(uint16_t port, const char *path)
{
    return http_get_within(port, path, CT_WAIT_MS);
}

const char *http_outcome_name(http_outcome outcome)
{
    static const char *const names[] = {"answered", "refused", "reset", "closed", "timeout", "broken"};
    return names[outcome];
}

int http_open_worker(uint16_t port, int worker_id)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    while (ct_now_ms() < end) {
        int fd = http_open(port);
        http_answer answer = fd < 0 ? failed(HTTP_REFUSED) : http_request(fd, "/", ATTEMPT_MS);
        if (answer.outcome == HTTP_ANSWERED && answer.worker == worker_id)
            return fd;
        if (fd < 0)
            ct_pump(10);
        else
            close(fd);
    }
    ct_fail(ct_file, ct_line, "no connection reached worker %d in time", worker_id);
}

void ct_wait_serving(app *a, int workers)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    bool seen[256] = {false};
    int missing = workers;
    while (missing > 0) {
        if (ct_now_ms() >= end)
            ct_fail(ct_file, ct_line, "%d of %d workers never answered a request", missing, workers);
        http_answer answer = http_get_within(a->port, "/", ATTEMPT_MS);
        if (answer.outcome != HTTP_ANSWERED)
            ct_pump(10);
        else if (answer.worker >= 0 && answer.worker < workers && !seen[answer.worker]) {
            seen[answer.worker] = true;
            missing--;
        }
    }
}
