/* contract 3.8, 2.3: after cluster_wait_workers everything is as before cluster_init: signal dispositions and mask,
   descriptors, threads, process name, RLIMIT_NOFILE; and cluster_init may be called again. */
#include "lab.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

/* ---- all that is to be as before ----------------------------------------------------------------------------------- */

static size_t note_folder(const char *path, char *text, size_t size)
{
    size_t used = 0;
    DIR *folder = opendir(path);
    struct dirent *entry;
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        char link[300], target[200];
        snprintf(link, sizeof link, "%s/%s", path, entry->d_name);
        ssize_t length = readlink(link, target, sizeof target);
        used += (size_t)snprintf(text + used, size - used, "%s=%.*s ", entry->d_name, length > 0 ? (int)length : 0, target);
    }
    closedir(folder);
    return used;
}

static void note_everything(char *text, size_t size)
{
    char name[16] = "";
    struct rlimit limit;
    struct sigaction action;
    sigset_t mask;
    size_t used = note_folder("/proc/self/fd", text, size);
    used += note_folder("/proc/self/task", text + used, size - used);
    prctl(PR_GET_NAME, name);
    getrlimit(RLIMIT_NOFILE, &limit);
    used += (size_t)snprintf(text + used, size - used, "\nname %s descriptors %lu of %lu\n", name, limit.rlim_cur, limit.rlim_max);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int number = 1; number <= 64; number++) {
        if (sigaction(number, NULL, &action) != 0)
            continue;
        action.sa_flags &= ~SA_RESTORER; /* the C library's own, added when a disposition is set, even a default one */
        bool also_blocked = sigismember(&action.sa_mask, SIGHUP) == 1;
        used += (size_t)snprintf(text + used, size - used, "%d:%d:%p:%x:%d ", number, sigismember(&mask, number),
                                 *(void **)&action.sa_handler, (unsigned)action.sa_flags, also_blocked);
    }
}

/* ---- the program: unusual settings, two clusters one after the other ----------------------------------------------- */

static void own_handler(int number)
{
    (void)number;
}

static void unusual_settings(void)
{
    struct sigaction own = {.sa_handler = own_handler, .sa_flags = SA_NODEFER};
    struct rlimit limit;
    sigset_t mask;
    sigaddset(&own.sa_mask, SIGHUP);
    sigaction(SIGTERM, &own, NULL);
    sigaction(SIGCHLD, &own, NULL);
    signal(SIGINT, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&mask);
    sigaddset(&mask, SIGALRM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 40;
    setrlimit(RLIMIT_NOFILE, &limit);
    prctl(PR_SET_NAME, "unusual");
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    static char before[16384], after[16384];
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    if (lab_worker_id() < 0)
        unusual_settings();
    control_start(NULL);
    note_everything(before, sizeof before);
    for (int round = 1; round <= 3; round++) {
        if (!cluster_init(&options, argc, argv))
            return cluster_is_worker() ? plain_worker() : 3;
        say("master ready %d", round);
        cluster_wait_workers();
        note_everything(after, sizeof after);
        CHECK_STR(after, before);
        CHECK(!cluster_is_master());
        CHECK_INT(cluster_worker_count(), ==, 0);
        CHECK_INT(cluster_get_port(), ==, 0);
        say("as before %d", round);
    }
    return 0;
}

void test_main(void)
{
    char name[32];
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready 1");
    CHECK(proc_read(a->pid, "comm", name, sizeof name, NULL));
    CHECK_STR(name, "ecewo:master\n");
    CHECK(proc_catches(a->pid, SIGINT));
    CHECK(proc_catches(a->pid, SIGUSR2));
    kill(a->pid, SIGTERM);
    app_wait_out(a, "as before 1");

    /* Now it ends by itself: both workers are gone, gracefully. */
    app_wait_out(a, "master ready 2");
    lab_tell(app_worker_pid(a, 0), 0);
    lab_kill(a, 1, SIGTERM);
    app_wait_out(a, "as before 2");
    app_expect_err_count(a, "[ERROR]", 0);

    app_wait_out(a, "master ready 3");
    pid_t old = lab_kill(a, 1, SIGKILL); /* after a respawn and a restart, too */
    lab_wait_new_pid(a, 1, old);
    app_ctl(a, "restart");
    lab_finish_restart(a);
    kill(a->pid, SIGTERM);
    app_wait_out(a, "as before 3");
    app_expect_exit(a, 0);
    app_expect_none_left(a);
}
