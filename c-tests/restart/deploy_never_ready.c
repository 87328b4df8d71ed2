/* contract 5.2: a replacement that hangs before it listens, or listens elsewhere, or on a part of its predecessor's
   addresses, is killed after 10 s and given up; so is one that would not end on SIGTERM. Four clusters at the same time,
   for it is slow. */
#include "lab.h"

#include <stdio.h>
#include <string.h>

#define CASES 4

static int worker(void)
{
    const char *release = release_own();
    signal(SIGTERM, strstr(release, "ignores") ? SIG_IGN : SIG_DFL);
    if (strstr(release, "hangs"))
        lab_sleep_for_ever();
    plain_listen("127.0.0.1", strstr(release, "port") ? 0 : cluster_get_port());
    if (!strstr(release, "part"))
        plain_listen("127.0.0.2", strstr(release, "port") ? 0 : cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, worker);
}

typedef struct {
    app *a;
    const char *path;
    int64_t began;
    pid_t first, second;
} running;

static void begin(running *r, int number, const char *release)
{
    char name[16];
    snprintf(name, sizeof name, "app%d", number);
    r->path = lab_path(name);
    release_install(r->path, "1");
    r->a = app_start(.control = true, .program = r->path);
    app_wait_out(r->a, "master ready");
    lab_wait_listening(r->a, 2);
    r->first = app_worker_pid(r->a, 0);
    r->second = app_worker_pid(r->a, 1);
    release_install(r->path, release);
    r->began = ct_now_ms();
    app_ctl(r->a, "restart");
}

static void expect_given_up(running *r)
{
    CHECK_MATCH(app_wait_err(r->a, "[ERROR]"), "re:orker 0.* 1[0-9] ?s");
    CHECK_INT(ct_now_ms() - r->began, >=, 9998);
    lab_finish_restart(r->a);
    pid_t all[16];
    WAIT_UNTIL(app_children(r->a, all, 16) == 2);
    CHECK_STR(lab_events(r->a), "start 0; start 1");
    CHECK_INT(app_worker_pid(r->a, 0), ==, r->first);
    CHECK_INT(app_worker_pid(r->a, 1), ==, r->second);
    app_expect_err_count(r->a, "[ERROR]", 1);

    kill(r->first, SIGKILL);
    CHECK_STR(release_of(lab_wait_new_pid(r->a, 0, r->first)), "1");
    release_install(r->path, "3");
    app_ctl(r->a, "restart");
    app_wait_out(r->a, "event exit 1 143 graceful");
    lab_finish_restart(r->a);
    CHECK_STR(release_of_worker(r->a, 0), "3");
    app_stop(r->a);
}

void test_main(void)
{
    static const char *const releases[CASES] = {"2 hangs", "2 hangs and ignores", "2 another port", "2 a part"};
    running all[CASES];
    for (int i = 0; i < CASES; i++)
        begin(&all[i], i, releases[i]);
    lab_wait_for(9000); /* the limit is 10 s; a wait of the harness would end at the same time */
    for (int i = 0; i < CASES; i++) {
        test_case(releases[i]);
        expect_given_up(&all[i]);
    }
}
