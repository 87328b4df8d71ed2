/* contract 2.3, 2.6: a program that was started without stdin, stdout and stderr: nothing of the library may end up at 0, 1 or 2, where
 * the program's own output would go into it. */
#include "harness.h"
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char at_start[1024], after_init[1024];

static void close_streams(void)
{
    close(0);
    close(1);
    close(2);
}

/* Notes what the three are, and writes into two of them as a program does that knows nothing of this. */
static void note_streams(char *text, size_t size)
{
    size_t used = 0;
    for (int fd = 0; fd < 3; fd++) {
        char path[32], target[256] = "closed";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length > 0)
            target[length] = '\0';
        used += (size_t)snprintf(text + used, size - used, "%d=%s ", fd, target);
        if (fd > 0 && write(fd, "some output\n", 12) < 0)
            continue; /* closed: that is for the program to know */
    }
}

static bool harmless(const char *streams)
{
    return !strstr(streams, "socket:") && !strstr(streams, "anon_inode:") && !strstr(streams, "/proc/");
}

static void tell_streams(const char *query, char *body, size_t size)
{
    (void)query;
    snprintf(body, size, "%s| %s", at_start, after_init);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true};
    note_streams(at_start, sizeof at_start);
    bool master = cluster_init(&options, argc, argv);
    note_streams(after_init, sizeof after_init);
    if (master) {
        CHECK(harmless(after_init));
        cluster_wait_workers();
        return 0;
    }
    server_route("/streams", tell_streams);
    return server_serve(cluster_get_port());
}

static void check_streams(app *a, int worker_id)
{
    int connection = http_open_worker(a->port, worker_id);
    http_answer answer = http_request(connection, "/streams", CT_WAIT_MS);
    close(connection);
    CHECK_INT(answer.outcome, ==, HTTP_ANSWERED);
    CHECK_MATCH(answer.body, "re:^0=/dev/null .*[|] 0=/dev/null ");
    CHECK_MSG(harmless(answer.body), "in worker %d: %s", worker_id, answer.body);
}

void test_main(void)
{
    app *a = app_start(.before_exec = close_streams);
    app_wait_serving(a, 2);
    check_streams(a, 0);
    check_streams(a, 1);

    int connection = http_open_worker(a->port, 1);
    pid_t old = http_request(connection, "/", CT_WAIT_MS).pid;
    CHECK_INT(http_request(connection, "/segv", CT_WAIT_MS).outcome, !=, HTTP_ANSWERED);
    close(connection);
    WAIT_UNTIL(!proc_alive(old));
    app_wait_serving(a, 2);
    check_streams(a, 1);
    app_stop(a);
}
