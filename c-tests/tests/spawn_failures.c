/* contract 7.2: once the cluster runs, a fork that fails and a lack of descriptors in the master are logged and tried again, and the
 * rest goes on. */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MANY 4096

static int held[MANY];
static int held_count = 0;

static void forbid_processes(rlim_t soft)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NPROC, &limit);
    limit.rlim_cur = soft == RLIM_INFINITY ? limit.rlim_max : soft;
    CHECK_INT(setrlimit(RLIMIT_NPROC, &limit), ==, 0);
}

/* Takes every descriptor that the master may still open. */
static void take_descriptors(void)
{
    int fd;
    while (held_count < MANY && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        held[held_count++] = fd;
}

static void release_descriptors(void)
{
    while (held_count > 0)
        close(held[--held_count]);
}

static bool on_command(const char *command, char *answer, size_t size)
{
    if (strcmp(command, "no processes") == 0)
        forbid_processes(1);
    else if (strcmp(command, "processes") == 0)
        forbid_processes(RLIM_INFINITY);
    else if (strcmp(command, "no descriptors") == 0)
        take_descriptors();
    else if (strcmp(command, "descriptors") == 0)
        release_descriptors();
    else
        return false;
    snprintf(answer, size, "done, %d", held_count);
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10};
    control_start(on_command);
    return app_serve(&options, argc, argv);
}

/* The hard limit is low and the user has no rights, so that the master cannot help itself by raising the soft one. */
static void prepare(void)
{
    struct rlimit limit = {200, 200};
    become_unprivileged();
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void fails_for_a_while(const char *take, const char *give_back, const char *words)
{
    test_case(take);
    app *a = app_start(.control = true, .before_exec = prepare);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    pid_t old = app_worker_pid(a, 1), other = app_worker_pid(a, 0);

    app_ctl(a, "%s", take);
    kill(old, SIGKILL);
    app_wait_err(a, "Worker 1 crashed");
    size_t mark = app_mark_err(a);
    app_wait_err_since(a, mark, words);
    /* The master works, the other worker serves, the failure is no crash of the worker's. */
    WAIT_UNTIL(http_get_within(a->port, "/", 500).worker == 0);
    CHECK_INT(app_worker_pid(a, 0), ==, other);
    CHECK_INT(app_worker_pid(a, 1), ==, 0);
    CHECK_INT(ctl_field(app_ctl(a, "stats"), "active"), ==, 1);
    CHECK_INT(ctl_field(app_ctl(a, "worker 1"), "crashes"), ==, 1);

    app_ctl(a, "%s", give_back);
    CHECK_INT(app_wait_new_pid(a, 1, 0), !=, old); /* the next attempt is at most 5 s away */
    app_wait_out_times(a, "worker 1 listening", 2);
    app_wait_serving(a, 2);
    app_stop(a);
    app_expect_err_count(a, "crashed after", 1);
}

/* With a delay that grows, the number of attempts in some seconds is small; without one it would be hundreds. */
static void delay_grows(void)
{
    test_case("the delay between the attempts grows");
    app *a = app_start(.control = true, .before_exec = prepare);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    pid_t old = app_worker_pid(a, 1);
    app_ctl(a, "no processes");
    kill(old, SIGKILL);
    app_wait_err(a, "Worker 1 crashed");
    app_wait_err_times(a, "re:^\\[(ERROR|WARN)\\]", 4); /* the crash and three failed attempts */
    int64_t end = ct_now_ms() + 3000;
    while (ct_now_ms() < end)
        ct_pump((int)(end - ct_now_ms()));
    CHECK_INT(app_count_err(a, "re:^\\["), <, 40);
    CHECK(!a->ended);
    app_stop(a); /* a shutdown does not wait for the worker that cannot be started */
}

void test_main(void)
{
    fails_for_a_while("no processes", "processes", "re:^\\[(ERROR|WARN)\\] .*([Ff]ork|spawn|start|process)");
    fails_for_a_while("no descriptors", "descriptors", "re:^\\[(ERROR|WARN)\\] .*(descriptor|open files|EMFILE|start|spawn)");
    delay_grows();
}
