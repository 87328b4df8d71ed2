/* contract 4.4, 4.5, 6.1: a worker's program that closes every descriptor above stderr after cluster_init, the library's among them: the
   worker goes on serving, its watch over the master neither spins nor ends, and it ends with its master. */
#include "lab.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int worker(void)
{
    for (int fd = 3; fd < 4096; fd++)
        close(fd);
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = 1000, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

/* In clock ticks, of which a second has 100. */
static long processor_time(pid_t pid)
{
    char text[1024];
    long user = 0, system = 0;
    CHECK(proc_read(pid, "stat", text, sizeof text, NULL));
    const char *rest = strrchr(text, ')');
    CHECK(rest != NULL);
    CHECK_INT(sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system), ==, 2);
    return user + system;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t first = app_worker_pid(a, 0), second = app_worker_pid(a, 1);
    /* A stop makes the watch look anew at what it waits for. */
    for (int i = 0; i < 2; i++) {
        pid_t pid = i == 0 ? first : second;
        CHECK_INT(kill(pid, SIGSTOP), ==, 0);
        WAIT_UNTIL(proc_state(pid) == 'T');
        CHECK_INT(kill(pid, SIGCONT), ==, 0);
    }
    long before = processor_time(first) + processor_time(second);
    lab_wait_for(1000); /* nothing happens: that is the subject */
    CHECK_INT(processor_time(first) + processor_time(second) - before, <, 10);
    CHECK_INT(app_worker_pid(a, 0), ==, first);
    CHECK_INT(app_worker_pid(a, 1), ==, second);
    int connection = http_open(a->port);
    CHECK_INT(connection, >=, 0);
    close(connection);
    app_expect_err_count(a, "", 0);

    test_case("the master dies");
    app_kill(a);
    app_wait_none_left(a);

    test_case("the master stops");
    a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    app_stop(a);
}
