/* contract 1.1, 2.4: the documentation's examples do as clusters what they say. One of them per run: CT_EXAMPLE. */
#include "examples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)argc, (void)argv, (void)variant;
    return 1; /* the programs under test are the examples */
}

app *start_example(const char *env)
{
    char port_entry[32];
    uint16_t port = free_port();
    snprintf(port_entry, sizeof port_entry, "EXAMPLE_PORT=%u", (unsigned)port);
    const char *program = getenv("CT_EXAMPLE_PROGRAM");
    CHECK(program != NULL);
    return app_start(.program = program, .foreign = true, .port = port, .env = (const char *const[]){port_entry, env, NULL});
}

pid_t example_worker(app *a, int worker_id)
{
    static pid_t pids[512];
    char expected[32], name[32];
    snprintf(expected, sizeof expected, worker_id < 100 ? "ecewo:worker-%d\n" : "ecewo:worker%d\n", worker_id);
    int count = app_children(a, pids, 512);
    for (int i = 0; i < count; i++)
        if (proc_read(pids[i], "comm", name, sizeof name, NULL) && strcmp(name, expected) == 0)
            return pids[i];
    return 0;
}

pid_t wait_for_new_worker(app *a, int worker_id, pid_t old)
{
    pid_t pid = 0;
    WAIT_UNTIL((pid = example_worker(a, worker_id)) != 0 && pid != old);
    return pid;
}

void wait_for_workers(app *a, int workers, const pid_t *old, pid_t *now)
{
    for (int id = 0; id < workers; id++) {
        pid_t avoid = old ? old[id] : 0;
        /* During a graceful restart two processes of one slot run for a while. */
        WAIT_UNTIL((now[id] = example_worker(a, id)) != 0 && now[id] != avoid && (avoid == 0 || !proc_alive(avoid)));
    }
    WAIT_UNTIL(app_children(a, (pid_t[512]){0}, 512) == workers);
}

void wait_for_answers(app *a, int workers, const char *format)
{
    bool seen[256] = {false};
    int missing = workers;
    int64_t end = ct_deadline(CT_WAIT_MS);
    while (missing > 0) {
        CHECK_MSG(ct_now_ms() < end, "%d workers have not answered", missing);
        http_answer answer = http_get_within(a->port, "/", 1000);
        int id = -1;
        if (answer.outcome != HTTP_ANSWERED) {
            ct_pump(10);
            continue;
        }
        CHECK_INT(answer.status, ==, 200);
        CHECK_MSG(sscanf(answer.body, format, &id) == 1 && id >= 0 && id < workers, "the answer is \"%s\"", answer.body);
        missing -= !seen[id];
        seen[id] = true;
    }
}

static void listening(app *a, int times)
{
    app_wait_out_times(a, "Server listening on", times);
}

static void test_quick_start(void)
{
    /* contract 2.4: ECEWO_WORKER=1 does not get through to the workers: they say that they listen, and they drain. */
    app *a = start_example("ECEWO_WORKER=1");
    wait_for_answers(a, cluster_cpus(), "Hello from worker %d!");
    listening(a, cluster_cpus());
    CHECK_INT(http_get(a->port, "/other").status, ==, 404);
    app_stop(a);
    app_expect_err_count(a, "", 0);
}

static void test_callbacks(void)
{
    int workers = cluster_cpus();
    char started[64];
    pid_t first[256];
    app *a = start_example(NULL);
    listening(a, workers);
    wait_for_workers(a, workers, NULL, first);
    kill(first[0], SIGKILL);
    app_wait_err(a, "Worker 0 crashed");
    listening(a, workers + 1);
    wait_for_new_worker(a, 0, first[0]);
    app_stop(a);
    /* Printed in the master, so getpid() is the master's. */
    snprintf(started, sizeof started, "re:^\\[[0-9]+\\] Worker [0-9]+ started \\(PID: %d\\)$", (int)a->pid);
    app_expect_out_count(a, started, workers + 1);
    app_expect_out_count(a, "re:^\\[[0-9]+\\] Worker 0 crashed! \\(exit: 137\\)$", 1);
    app_expect_out_count(a, "re:^\\[[0-9]+\\] Worker [0-9]+ exited gracefully \\(exit: 0\\)$", workers);
}

static void test_crash_protection(void)
{
    int workers = cluster_cpus(), crashes = 0;
    pid_t pid = 0;
    app *a = start_example(NULL);
    listening(a, workers);
    /* On a machine that is very busy three of them may not fall into the window at first. */
    while (app_count_err(a, "disabling respawn") == 0 && crashes < 20) {
        pid_t next = 0;
        WAIT_UNTIL(((next = example_worker(a, 0)) != 0 && next != pid) || app_count_err(a, "disabling respawn") > 0);
        if (next != 0 && next != pid) {
            kill(pid = next, SIGKILL);
            app_wait_err_times(a, "Worker 0 crashed after", ++crashes);
            ct_pump(20);
        }
    }
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashing too fast \\(3 times in [0-4]s\\), disabling respawn$");
    CHECK_INT(crashes, >=, 3);
    if (workers == 1) {
        app_expect_exit(a, 0);
        return;
    }
    CHECK_INT(example_worker(a, 0), ==, 0);
    CHECK(example_worker(a, 1) != 0);
    CHECK_INT(http_get(a->port, "/").status, ==, 404); /* it has no routes, and serves */
    app_stop(a);
}

static void test_graceful_restart(void)
{
    int workers = cluster_cpus();
    pid_t first[256], second[256], third[256];
    app *a = start_example(NULL);
    listening(a, workers);
    wait_for_workers(a, workers, NULL, first);
    WAIT_UNTIL(proc_catches(a->pid, SIGUSR1)); /* set after cluster_init */
    kill(a->pid, SIGUSR1);
    wait_for_workers(a, workers, first, second);
    listening(a, 2 * workers);
    kill(a->pid, SIGUSR2);
    wait_for_workers(a, workers, second, third);
    listening(a, 3 * workers);
    CHECK_INT(http_get(a->port, "/").status, ==, 404);
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 0);
}

static void test_reload_signal(void)
{
    int workers = cluster_cpus();
    char line[64];
    pid_t pids[256];
    app *a = start_example(NULL);
    listening(a, workers);
    wait_for_workers(a, workers, NULL, pids);
    for (int id = 0; id < workers; id++) {
        WAIT_UNTIL(proc_catches(pids[id], SIGUSR1));
        kill(pids[id], SIGUSR1);
    }
    for (int id = 0; id < workers; id++)
        WAIT_UNTIL(http_get_within(a->port, "/", 1000).status == 404); /* they live on */
    app_stop(a);
    for (int id = 0; id < workers; id++) {
        snprintf(line, sizeof line, "re:^Worker %d: Reloading configuration\\.\\.\\.$", id);
        app_expect_out_count(a, line, 1);
    }
    app_expect_err_count(a, "[ERROR]", 0);
}

/* There is no cluster in it: contract 1.5. */
static void test_signal_workers(void)
{
    app *a = start_example(NULL);
    app_expect_exit(a, 0);
    app_expect_err_count(a, "re:^\\[ERROR\\] ", 3);
}

void test_main(void)
{
    static const struct {
        const char *name;
        void (*test)(void);
    } tests[] = {
        {"callbacks", test_callbacks},         {"crash-protection", test_crash_protection},
        {"full", test_full},                   {"graceful-restart", test_graceful_restart},
        {"quick-start", test_quick_start},     {"reference-statistics", test_reference_statistics},
        {"reload-signal", test_reload_signal}, {"signal-workers", test_signal_workers},
        {"statistics", test_statistics},
    };
    const char *name = getenv("CT_EXAMPLE");
    CHECK_MSG(name != NULL, "set CT_EXAMPLE to an example's name and CT_EXAMPLE_PROGRAM to its program");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (strcmp(tests[i].name, name) == 0) {
            tests[i].test();
            return;
        }
    }
    FAIL("nobody has written a test for the example \"%s\"", name);
}
