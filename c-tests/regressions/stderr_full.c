/* contract 2.6, 3.2, 4.2: stderr is a pipe that is full and that nobody reads: lines are lost, but the master goes on: it
   respawns, restarts, answers and stops. When there is room again the lines come, and they come whole. */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int ends[2];

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_respawn_delay_ms = 1,
                       .respawn_max_crashes = 100,
                       LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

static void fill(void)
{
    static const char filling[4096] = {'.'};
    int flags = fcntl(ends[1], F_GETFL);
    CHECK_INT(fcntl(ends[1], F_SETFL, flags | O_NONBLOCK), ==, 0);
    for (size_t size = sizeof filling; size > 0; size /= 2)
        while (write(ends[1], filling, size) > 0)
            ;
    CHECK_INT(errno, ==, EAGAIN);
    CHECK_INT(fcntl(ends[1], F_SETFL, flags), ==, 0);
}

static void take_full_pipe(void)
{
    dup2(ends[1], STDERR_FILENO);
}

/* Reads all that is there; gives what came after the filling. */
static const char *drain(void)
{
    static char text[1 << 20];
    size_t used = 0;
    struct pollfd readable = {.fd = ends[0], .events = POLLIN};
    while (poll(&readable, 1, 0) == 1 && used < sizeof text - 1) {
        ssize_t got = read(ends[0], text + used, sizeof text - 1 - used);
        CHECK_INT(got, >, 0);
        used += (size_t)got;
    }
    text[used] = '\0';
    const char *bracket = memchr(text, '[', used);
    return bracket ? bracket : "";
}

static void crash(app *a, int id)
{
    pid_t old = lab_kill(a, id, SIGKILL);
    lab_wait_new_pid(a, id, old);
}

void test_main(void)
{
    CHECK_INT(pipe2(ends, O_CLOEXEC), ==, 0);
    fill();
    app *a = app_start(.control = true, .before_exec = take_full_pipe);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    for (int round = 0; round < 5; round++)
        crash(a, round % 2);
    app_ctl(a, "signal 0"); /* an [ERROR] line from the caller's thread */
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    CHECK_STR(drain(), "");

    test_case("room again");
    crash(a, 0);
    app_wait_out_times(a, "event start 0", 6);
    CHECK_MATCH(drain(), "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(signal 9\\)$");

    test_case("full once more");
    fill();
    crash(a, 1);
    app_stop(a);
    CHECK_STR(drain(), "");
    close(ends[0]);
    close(ends[1]);
}
