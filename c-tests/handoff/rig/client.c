/* The driver's side of the tests of the hand-over, see rig.h. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static bool wait_for(int fd, short events, int64_t end)
{
    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = events};
        int64_t left = end - ct_now_ms();
        if (poll(&waiting, 1, left < 0 ? 0 : left < 100 ? (int)left : 100) > 0)
            return true;
        if (left <= 0)
            return false;
        ct_pump(0);
    }
}

bool rig_readable(int fd, int64_t ms)
{
    return wait_for(fd, POLLIN, ct_deadline(ms));
}

int rig_connect(const char *address, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v6 = strchr(address, ':') != NULL;
    int error = 0, fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = sizeof error;
    if (fd < 0)
        return -1;
    CHECK_INT(inet_pton(is_v6 ? AF_INET6 : AF_INET, address, is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr), ==, 1);
    if (connect(fd, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, is_v6 ? sizeof v6 : sizeof v4) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        error = ETIMEDOUT;
        if (wait_for(fd, POLLOUT, ct_deadline(CT_WAIT_MS)))
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

bool rig_refused(const char *address, uint16_t port)
{
    int fd = rig_connect(address, port);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == ECONNREFUSED;
}

void rig_send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        ct_fail(ct_file, ct_line, "a request cannot be sent: %s", strerror(errno));
}

void rig_send(int fd, const char *path)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    rig_send_text(fd, text);
}

static bool is_whole(const char *text, size_t used)
{
    const char *body = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");
    return body && length && length < body && used - (size_t)(body + 4 - text) >= strtoul(length + 17, NULL, 10);
}

/* Reads no further than the answer: what follows it stays in the socket. */
const char *rig_outcome(int fd, int64_t ms, char *text, size_t size)
{
    size_t used = 0;
    int64_t until = ct_deadline(ms);
    text[0] = '\0';
    while (used < size - 1 && wait_for(fd, POLLIN, until)) {
        ssize_t got = recv(fd, text + used, 1, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            continue;
        if (got < 0)
            return "reset";
        if (got == 0)
            return "end";
        used += (size_t)got;
        text[used] = '\0';
        if (is_whole(text, used))
            return "answered";
    }
    return "timeout";
}

size_t rig_read_answer(int fd, char *text, size_t size, int64_t ms)
{
    const char *outcome = rig_outcome(fd, ms, text, size);
    if (strcmp(outcome, "answered") != 0)
        ct_fail(ct_file, ct_line, "no answer, but: %s (after \"%s\")", outcome, text);
    return strlen(text);
}

const char *rig_get_body(const char *address, uint16_t port, const char *path)
{
    static char text[8192];
    int fd = rig_connect(address, port);
    if (fd < 0)
        ct_fail(ct_file, ct_line, "no connection to %s port %u: %s", address, (unsigned)port, strerror(errno));
    rig_send(fd, path);
    rig_read_answer(fd, text, sizeof text, CT_WAIT_MS);
    close(fd);
    return strstr(text, "\r\n\r\n") + 4;
}

void rig_wait_for_server(app *a, pid_t pid)
{
    int64_t until = ct_deadline(CT_WAIT_MS);
    for (int in_a_row = 0; in_a_row < 20;) {
        const char *body = rig_get_body("127.0.0.1", a->port, "/"), *number = strstr(body, "pid ");
        in_a_row = number && atoi(number + 4) == pid ? in_a_row + 1 : 0;
        if (ct_now_ms() >= until)
            ct_fail(ct_file, ct_line, "others than the process %d still answer: %s", (int)pid, body);
    }
}

bool rig_ends(int fd, int64_t ms)
{
    char byte;
    int64_t until = ct_deadline(ms);
    while (wait_for(fd, POLLIN, until)) {
        ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return true;
    }
    return false;
}

void rig_wait_lines(app *a, int worker_id, int times)
{
    char line[64];
    snprintf(line, sizeof line, "worker %d listening", worker_id);
    ct_wait_line(a, &a->out, 0, line, times);
}

pid_t rig_kill_worker(app *a, int worker_id)
{
    char line[64];
    pid_t old = app_worker_pid(a, worker_id);
    size_t mark = app_mark_out(a);
    snprintf(line, sizeof line, "worker %d listening", worker_id);
    if (old <= 1 || kill(old, SIGKILL) != 0)
        ct_fail(ct_file, ct_line, "worker %d (pid %d) cannot be killed", worker_id, (int)old);
    pid_t new = ct_wait_new_pid(a, worker_id, old);
    ct_wait_line(a, &a->out, mark, line, 1);
    return new;
}

void rig_restart_all(app *a)
{
    app_ctl(a, "restart");
    lab_wait_for_restart(a);
}

void rig_stop_process(pid_t pid)
{
    CHECK_INT(kill(pid, SIGSTOP), ==, 0);
    WAIT_UNTIL(proc_state(pid) == 'T');
}
