/* contract 4.4: workers that do not end on SIGTERM when their master has died, for they ignore or block it or are
   stopped: woken, told, and killed after shutdown_timeout_ms, not before. */
#include "lab.h"

#include <sys/wait.h>

#define TIMEOUT_MS 5000

static int worker(void)
{
    sigset_t all;
    if (cluster_worker_id() == 1) {
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
    }
    return cluster_worker_id() == 3 ? plain_worker() : stubborn_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 4, .port = app_port(argv), .respawn = true, .shutdown_timeout_ms = TIMEOUT_MS};
    return lab_main(&options, argc, argv, worker);
}

static void expect_killed_in_the_end(pid_t pid, int64_t since)
{
    int status = lab_wait_orphan(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), ==, SIGKILL);
    CHECK_INT(ct_now_ms() - since, >=, TIMEOUT_MS - 2);
}

void test_main(void)
{
    pid_t pids[4];
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 4);
    for (int id = 0; id < 4; id++)
        pids[id] = app_worker_pid(a, id);
    kill(pids[2], SIGSTOP); /* stubborn and stopped */
    kill(pids[3], SIGSTOP); /* stopped, but obedient */
    WAIT_UNTIL(proc_state(pids[2]) == 'T' && proc_state(pids[3]) == 'T');
    int64_t before = ct_now_ms();
    app_kill(a);
    app_wait_out(a, "worker 0 got 15");
    app_wait_out(a, "worker 2 got 15");
    int status = lab_wait_orphan(pids[3]);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), ==, SIGTERM);
    expect_killed_in_the_end(pids[0], before);
    expect_killed_in_the_end(pids[1], before);
    expect_killed_in_the_end(pids[2], before);
    app_expect_none_left(a);
}
