/* contract 5.2: a program that needs long to start has more than 10 s for its replacement: three times what the
   predecessor took. */
#include "lab.h"

#include <string.h>
#include <unistd.h>

static int worker(void)
{
    /* The clock is the subject: 5.5 s, so that the limit is 16.5 s; then 10.5 s. */
    int64_t end = ct_now_ms() + (strcmp(release_own(), "1") == 0 ? 5500 : 10500);
    while (ct_now_ms() < end)
        usleep(10000);
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

static app *start(const char *path)
{
    release_install(path, "1");
    app *a = app_start(.control = true, .program = path);
    app_wait_out(a, "master ready");
    return a;
}

static void expect_replaced(app *a, int64_t asked_at)
{
    app_wait_out(a, "event exit 0 143 graceful");
    CHECK_INT(lab_event_ms(a, 1) - asked_at, >=, 10498);
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 0; exit 0 143 graceful");
    CHECK_STR(release_of_worker(a, 0), "2");
    app_expect_err_count(a, "[ERROR]", 0);
    app_stop(a);
}

void test_main(void)
{
    const char *paths[2] = {lab_path("app0"), lab_path("app1")};
    app *usual = start(paths[0]), *late = start(paths[1]);
    /* This one's master finds the request together with the news that its worker listens, as on a busy machine. */
    CHECK_INT(kill(late->pid, SIGSTOP), ==, 0);
    WAIT_UNTIL(proc_state(late->pid) == 'T');
    app_wait_out(usual, "worker 0 listening");
    app_wait_out(late, "worker 0 listening");
    for (int i = 0; i < 2; i++)
        release_install(paths[i], "2");
    int64_t asked_at = ct_now_ms();
    app_ctl(usual, "restart");
    CHECK_INT(kill(late->pid, SIGUSR2), ==, 0);
    CHECK_INT(kill(late->pid, SIGCONT), ==, 0);
    lab_wait_for(9000);
    expect_replaced(usual, asked_at);
    expect_replaced(late, asked_at);
}
