/* HTTP/1 of one connection, see zl.h. */
#include "zl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define BIG (6u * 1024 * 1024)
#define MAX_LINE 16384

enum { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, ANSWERING, RECORDS, FRAMES };

volatile bool zl_draining = false;

void zl_bytes_add(struct zl_bytes *bytes, const void *data, size_t size)
{
    if (bytes->start == bytes->end)
        bytes->start = bytes->end = 0;
    if (bytes->end + size > bytes->room) {
        bytes->room = (bytes->end + size) * 2;
        bytes->data = realloc(bytes->data, bytes->room);
        if (!bytes->data)
            abort();
    }
    memcpy(bytes->data + bytes->end, data, size);
    bytes->end += size;
}

static size_t length(const struct zl_bytes *bytes)
{
    return bytes->end - bytes->start;
}

void zl_http_init(struct zl_http *http, const struct zl_options *options)
{
    memset(http, 0, sizeof *http);
    http->options = options;
}

void zl_http_free(struct zl_http *http)
{
    free(http->in.data);
    free(http->out.data);
    free(http->answer.data);
}

void zl_http_feed(struct zl_http *http, const char *bytes, size_t size)
{
    zl_bytes_add(&http->in, bytes, size);
}

bool zl_http_is_idle(const struct zl_http *http)
{
    bool between = http->state == HEAD || http->state == RECORDS || http->state == FRAMES;
    return between && length(&http->in) == 0 && length(&http->out) == 0;
}

/* The next line without its end, or NULL if it has not come whole. It stays in `in` and is valid until the next feed. */
static char *take_line(struct zl_http *http)
{
    char *start = http->in.data + http->in.start;
    char *end = length(&http->in) ? memchr(start, '\n', length(&http->in)) : NULL;
    if (!end) {
        if (length(&http->in) > MAX_LINE)
            http->close_after = true;
        return NULL;
    }
    http->in.start += (size_t)(end - start) + 1;
    *end = '\0';
    if (end > start && end[-1] == '\r')
        end[-1] = '\0';
    return start;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static size_t body_of(const struct zl_http *http, size_t filler, struct zl_bytes *body)
{
    char first[160], last[40];
    int last_size = snprintf(last, sizeof last, "end=%llu\n", (unsigned long long)http->id);
    size_t size = 0, before;
    int first_size;
    do { /* the size has its own digits in it */
        before = size;
        first_size = snprintf(first, sizeof first, "id=%llu pid=%d size=%zu got=%llu sum=%u\n", (unsigned long long)http->id,
                              (int)getpid(), before, (unsigned long long)http->got, http->sum);
        size = (size_t)first_size + filler + (size_t)last_size;
    } while (size != before);
    zl_bytes_add(body, first, (size_t)first_size);
    char letters[2600];
    for (size_t at = (size_t)first_size, end = size - (size_t)last_size; at < end;) {
        size_t n = end - at < sizeof letters ? end - at : sizeof letters;
        for (size_t i = 0; i < n; i++)
            letters[i] = (char)('a' + (at + i) % 26);
        zl_bytes_add(body, letters, n);
        at += n;
    }
    zl_bytes_add(body, last, (size_t)last_size);
    return size;
}

static void head_of(struct zl_http *http, const char *framing)
{
    bool old = http->old || http->options->http10, until_end = framing[0] == '\0';
    bool keep = !until_end && !http->close_asked && (!http->old || http->keep_alive_asked);
    /* More requests have come already: the last of them says it. */
    if (zl_draining && length(&http->in) == 0)
        keep = false;
    const char *connection = !keep ? "Connection: close\r\n" : "Connection: keep-alive\r\n";
    if (keep && !old && !http->options->connection_header)
        connection = "";
    char head[400];
    int size = snprintf(head, sizeof head, "HTTP/1.%d 200 OK\r\nX-Id: %llu\r\nX-Pid: %d\r\n%s%s\r\n", old ? 0 : 1,
                        (unsigned long long)http->id, (int)getpid(), connection, framing);
    zl_bytes_add(&http->answer, head, (size_t)size);
    http->close_after = !keep;
}

static void end_part(struct zl_http *http, unsigned pause)
{
    http->part_end[http->parts] = http->answer.end;
    http->part_pause[http->parts++] = pause;
}

static void plain_answer(struct zl_http *http, size_t filler, unsigned pause_before, int parts)
{
    static const char greeting[] = "Hello, world!\n";
    struct zl_bytes body = { 0 };
    char framing[64];
    size_t size = sizeof greeting - 1;
    if (strcmp(http->path, "/hello") == 0)
        zl_bytes_add(&body, greeting, size);
    else
        size = body_of(http, filler, &body);
    snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", size);
    head_of(http, strcmp(http->path, "/until-end") == 0 ? "" : framing);
    if (http->to_head) {
        end_part(http, pause_before);
    } else {
        for (int i = 0; i < parts; i++) {
            size_t from = size * (size_t)i / (size_t)parts, to = size * (size_t)(i + 1) / (size_t)parts;
            zl_bytes_add(&http->answer, body.data + from, to - from);
            end_part(http, i ? 300 : pause_before);
        }
    }
    free(body.data);
}

static void chunked_answer(struct zl_http *http)
{
    struct zl_bytes body = { 0 };
    size_t size = body_of(http, 3000, &body);
    head_of(http, "Transfer-Encoding: chunked\r\n");
    for (size_t i = 0; i < 3; i++) {
        size_t from = size * i / 3, to = size * (i + 1) / 3;
        char line[32];
        int line_size = snprintf(line, sizeof line, "%zx\r\n", to - from);
        zl_bytes_add(&http->answer, line, (size_t)line_size);
        zl_bytes_add(&http->answer, body.data + from, to - from);
        zl_bytes_add(&http->answer, "\r\n0\r\n\r\n", i == 2 ? 7 : 2);
        end_part(http, i ? 200 : 0);
    }
    free(body.data);
}

static void sleep_ms(unsigned long ms)
{
    struct timespec left = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&left, &left) != 0)
        continue;
}

static void request_is_whole(struct zl_http *http)
{
    http->answer.start = http->answer.end = 0;
    http->parts = http->part = 0;
    if (strcmp(http->path, "/hang") == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;)
            pause();
    }
    if (strcmp(http->path, "/crash") == 0)
        abort();
    if (strcmp(http->path, "/ws") == 0) {
        static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        zl_bytes_add(&http->out, upgrade, sizeof upgrade - 1);
        http->state = FRAMES;
        return;
    }
    if (strcmp(http->path, "/block") == 0)
        sleep_ms(http->ms);
    http->state = ANSWERING;
    if (strcmp(http->path, "/slow") == 0)
        plain_answer(http, 20, (unsigned)http->ms, 1);
    else if (strcmp(http->path, "/parts") == 0)
        plain_answer(http, 3000, 0, 3);
    else if (strcmp(http->path, "/chunked") == 0)
        chunked_answer(http);
    else
        plain_answer(http, strcmp(http->path, "/big") == 0 ? BIG : 20, 0, 1);
    http->due = zl_now_ms() + http->part_pause[0];
}

/* Appends the parts whose time has come; true if that was all. */
static bool send_parts(struct zl_http *http)
{
    while (http->part < http->parts) {
        int64_t now = zl_now_ms();
        if (now < http->due)
            return false;
        size_t from = http->part ? http->part_end[http->part - 1] : 0;
        zl_bytes_add(&http->out, http->answer.data + from, http->part_end[http->part] - from);
        if (++http->part < http->parts)
            http->due = now + http->part_pause[http->part];
    }
    http->due = 0;
    if (http->answer.room > 65536) {
        free(http->answer.data);
        memset(&http->answer, 0, sizeof http->answer);
    }
    return true;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void request_line(struct zl_http *http, char *line)
{
    http->to_head = strncmp(line, "HEAD ", 5) == 0;
    http->old = strstr(line, " HTTP/1.0") != NULL;
    http->close_asked = http->keep_alive_asked = false;
    http->body_left = http->got = http->sum = 0;
    http->id = http->ms = 0;
    char *target = strchr(line, ' ');
    target = target ? target + 1 : line;
    size_t size = strcspn(target, "? ");
    snprintf(http->path, sizeof http->path, "%.*s", (int)(size < 31 ? size : 31), target);
    for (char *query = target + size; *query == '?' || *query == '&'; query += strcspn(query, "& ")) {
        query++;
        if (strncmp(query, "id=", 3) == 0)
            http->id = strtoull(query + 3, NULL, 10);
        else if (strncmp(query, "ms=", 3) == 0)
            http->ms = strtoul(query + 3, NULL, 10);
    }
}

static bool value_of(const char *line, const char *name, const char **value)
{
    size_t size = strlen(name);
    if (strncasecmp(line, name, size) != 0)
        return false;
    *value = line + size + strspn(line + size, " ");
    return true;
}

/* Reads a head if it is there whole. */
static bool read_head(struct zl_http *http)
{
    const char *in = http->in.data + http->in.start, *value;
    if (length(&http->in) && in[0] == 0x16) {
        http->state = RECORDS;
        return true;
    }
    if (!length(&http->in) || !memmem(in, length(&http->in), "\r\n\r\n", 4)) {
        http->close_after |= length(&http->in) > MAX_LINE;
        return false;
    }
    bool chunked = false, expects = false;
    request_line(http, take_line(http));
    for (char *line = take_line(http); line && *line; line = take_line(http)) {
        if (value_of(line, "Content-Length:", &value))
            http->body_left = strtoull(value, NULL, 10);
        else if (value_of(line, "Transfer-Encoding:", &value))
            chunked = true;
        else if (value_of(line, "Expect:", &value))
            expects = true;
        else if (value_of(line, "Connection:", &value)) {
            http->close_asked = strcasecmp(value, "close") == 0;
            http->keep_alive_asked = strcasecmp(value, "keep-alive") == 0;
        }
    }
    if (expects && length(&http->in) == 0)
        zl_bytes_add(&http->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    http->state = chunked ? CHUNK_SIZE : BODY;
    return true;
}

static bool read_body(struct zl_http *http)
{
    while (http->body_left && length(&http->in)) {
        http->sum = http->sum * 31 + (unsigned char)http->in.data[http->in.start++];
        http->got++;
        http->body_left--;
    }
    return http->body_left == 0;
}

static bool read_chunk_line(struct zl_http *http)
{
    char *line = take_line(http);
    if (!line)
        return false;
    if (http->state == CHUNK_END) {
        http->state = CHUNK_SIZE;
    } else if (http->state == CHUNK_SIZE) {
        http->body_left = strtoull(line, NULL, 16);
        http->state = http->body_left ? CHUNK : TRAILER;
    } else if (*line == '\0') {
        request_is_whole(http);
    }
    return true;
}

/* Echoes one record or frame: its text, and this process's pid. */
static bool echo(struct zl_http *http)
{
    size_t head = http->state == RECORDS ? 5 : 2, size;
    unsigned char *record = (unsigned char *)http->in.data + http->in.start;
    if (length(&http->in) < head || length(&http->in) < head + (size = record[head - 1]))
        return false;
    char text[300];
    int text_size = snprintf(text, sizeof text, "%.*s pid=%d", (int)size, (char *)record + head, (int)getpid());
    record[head - 1] = (unsigned char)text_size;
    zl_bytes_add(&http->out, record, head);
    zl_bytes_add(&http->out, text, (size_t)text_size);
    http->in.start += head + size;
    return true;
}

/* One step; false if nothing more can be done for now. */
static bool step(struct zl_http *http)
{
    switch (http->state) {
    case HEAD:
        return read_head(http);
    case BODY:
        if (!read_body(http))
            return false;
        request_is_whole(http);
        return true;
    case CHUNK:
        if (!read_body(http))
            return false;
        http->state = CHUNK_END;
        return true;
    case ANSWERING:
        if (!send_parts(http))
            return false;
        http->state = HEAD;
        return !http->close_after;
    case RECORDS:
    case FRAMES:
        return echo(http);
    default:
        return read_chunk_line(http);
    }
}

void zl_http_run(struct zl_http *http)
{
    while (!(http->close_after && http->state == HEAD) && step(http))
        continue;
}
