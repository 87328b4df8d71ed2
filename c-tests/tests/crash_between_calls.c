/* contract 2.5, 4.2: a crash between cluster_init and cluster_wait_workers waits for the second call, as do signals and restarts. */
#include "harness.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static sem_t go_on;

static bool on_command(const char *command, char *answer, size_t size)
{
    if (strcmp(command, "go on") != 0)
        return false;
    sem_post(&go_on);
    snprintf(answer, size, "done");
    return true;
}

static void tell_end(uint8_t worker_id, int exit_status, bool is_crash)
{
    say("worker %u ended, status %d, crash %d", worker_id, exit_status, is_crash);
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .on_exit = tell_end};
    sem_init(&go_on, 0, 0);
    control_start(on_command);
    if (!cluster_init(&options, argc, argv))
        return app_serve(&options, argc, argv); /* a worker: its second call changes nothing, contract 2.1 */
    say("master ready");
    while (sem_wait(&go_on) != 0)
        ;
    say("master waits");
    cluster_wait_workers();
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    size_t mark = app_mark_err(a);
    pid_t old = app_worker_pid(a, 1);
    int other = http_open_worker(a->port, 0);
    kill(old, SIGKILL);
    WAIT_UNTIL(!proc_alive(old));
    /* Dead, and nobody has taken notice: no line, no callback, no new worker, the statistics as they were. */
    CHECK_INT(http_request(other, "/", CT_WAIT_MS).outcome, ==, HTTP_ANSWERED); /* a new one might wait in the dead one's queue */
    close(other);
    CHECK_INT(app_worker_pid(a, 1), ==, old);
    app_expect_no_err_since(a, mark, "Worker 1");
    app_expect_out_count(a, "worker 1 ended", 0);

    app_ctl(a, "go on");
    app_wait_err(a, "re:^\\[ERROR\\] Worker 1 crashed after [0-9]+ s \\(signal 9\\)$");
    app_wait_out(a, "worker 1 ended, status 137, crash 1");
    app_wait_new_pid(a, 1, old);
    app_wait_serving(a, 2);
    app_stop(a);
}
