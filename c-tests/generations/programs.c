/* contract 10.1, 10.2: a program of its time builds unchanged, serves, is respawned and restarted under load without a lost request,
 * tells the right statistics, and ends. One program per run: CT_PROGRAM. */
#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)argc, (void)argv, (void)variant;
    return 1; /* the program under test is another one */
}

static app *start(uint16_t port)
{
    char entry[32];
    const char *program = getenv("CT_PROGRAM");
    CHECK(program != NULL);
    snprintf(entry, sizeof entry, "PORT=%u", (unsigned)port);
    return app_start(.program = program, .foreign = true, .port = port, .env = (const char *const[]){entry, NULL});
}

/* Restarts by the signal, with requests on new connections all the while: every one of them is answered. */
static void restart_under_load(app *a, int signal, int restarts_before)
{
    char done[128];
    int requests = 0;
    snprintf(done, sizeof done, "re:^cluster: 2 workers, 2 active, 0 crashed, 0 disabled, %d restarts", restarts_before + 2);
    int64_t end = ct_deadline(CT_WAIT_MS);
    CHECK_INT(kill(a->pid, signal), ==, 0);
    do {
        CHECK_MSG(ct_now_ms() < end, "the restart did not end in time");
        http_answer answer = http_get(a->port, "/");
        CHECK_MSG(answer.outcome == HTTP_ANSWERED, "request %d: %s", requests, http_outcome_name(answer.outcome));
        CHECK_INT(answer.status, ==, 200);
        requests++;
        ct_pump(0);
    } while (app_count_out(a, done) == 0);
    CHECK_INT(requests, >, 0);
}

static void lives_its_life(void)
{
    app *a = start(free_port());
    char line[128];
    app_wait_out(a, "master of 2 workers");
    app_expect_out_count(a, "re:^worker [01] runs as [0-9]+$", 2);
    app_expect_out_count(a, "cluster: 2 workers, 2 active, 0 crashed, 0 disabled, 0 restarts", 1);
    snprintf(line, sizeof line, "re:^  worker [01]: pid [0-9]+, port %u, status 1, [0-9]+s, 0 crashes$", (unsigned)a->port);
    app_expect_out_count(a, line, 2);
    app_wait_serving(a, 2);

    /* A crash, and the next one makes no loop of it: the restart below gives a clean count. */
    http_answer answer = http_get(a->port, "/");
    CHECK_INT(answer.outcome, ==, HTTP_ANSWERED);
    CHECK_INT(answer.pid, !=, a->pid);
    CHECK_INT(http_get(a->port, "/crash").outcome, !=, HTTP_ANSWERED);
    app_wait_out(a, "re:^worker [01] crashed with 134$");
    app_wait_out_times(a, "re:^worker [01] runs as [0-9]+$", 3);
    app_wait_serving(a, 2);
    app_expect_err_count(a, "disabling respawn", 0);

    restart_under_load(a, SIGUSR2, 1);
    restart_under_load(a, SIGHUP, 3); /* its own handler calls for one */
    app_wait_serving(a, 2);
    app_expect_out_count(a, "re:^worker [01] exited with 0$", 4);

    /* Two crashes within a minute disable a worker: the window and the number arrive as they were set. */
    app_expect_err_count(a, "disabling respawn", 0);
    while (app_count_err(a, "disabling respawn") == 0) {
        int crashes = app_count_out(a, "re:^worker [01] crashed");
        http_get(a->port, "/crash");
        app_wait_out_times(a, "re:^worker [01] crashed", crashes + 1);
    }
    app_wait_err(a, "re:^\\[ERROR\\] Worker [01] crashing too fast \\(2 times in [0-9]+s\\), disabling respawn$");
    app_wait_out(a, "re:^cluster: 2 workers, [01] active, 0 crashed, 1 disabled");
    app_wait_out(a, "re:^  worker [01]: pid 0, port [0-9]+, status 5, 0s, 2 crashes, disabled$");

    app_stop(a);
    app_expect_out_count(a, "the end", 1);
    app_expect_out_count(a, "no statistics", 0);
}

static void reports_errors(void)
{
    /* Somebody listens on the port who does not share it. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port = free_port();
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    CHECK_INT(bind(fd, (struct sockaddr *)&any, sizeof any), ==, 0);
    CHECK_INT(listen(fd, 1), ==, 0);
    app *a = start(port);
    app_expect_exit(a, 1);
    app_expect_err_count(a, "no cluster", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] port [0-9]+ is in use", 1);
    app_expect_err_count(a, "[ERROR]", 1);
    app_expect_out_count(a, "the end", 0);
    app_expect_none_left(a);
    close(fd);
}

void test_main(void)
{
    test_case("a life");
    lives_its_life();
    test_case("an error");
    reports_errors();
}
