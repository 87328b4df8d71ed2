/* contract 4.5: an idle master sleeps: in 10 s no thread of it is on a processor for a nanosecond, so it makes no system call; also
   after a respawn and a restart. This is the one test with a fixed window: it is about nothing happening. */
#include "lab.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return lab_main(&options, argc, argv, plain_worker);
}

/* How long all threads of the master have been on a processor, in ns, and how often one went to sleep. Where the kernel does not tell the
   first, the second and the ticks of processor time have to do. */
static unsigned long long activity(pid_t pid)
{
    char path[64], text[4096];
    unsigned long long sum = 0, user = 0, kernel = 0, ran = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    struct dirent *entry;
    CHECK(tasks != NULL);
    while ((entry = readdir(tasks)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        CHECK(proc_status_field(atoi(entry->d_name), "voluntary_ctxt_switches", text, sizeof text));
        sum += strtoull(text, NULL, 10);
        if (proc_read(atoi(entry->d_name), "schedstat", text, sizeof text, NULL) && sscanf(text, "%llu", &ran) == 1)
            sum += ran;
    }
    closedir(tasks);
    CHECK(proc_read(pid, "stat", text, sizeof text, NULL));
    CHECK_INT(sscanf(strrchr(text, ')') + 2, "%*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user, &kernel), ==, 2);
    return sum + user + kernel;
}

/* What is due after the last event (a time limit that ends, say) may still happen; then there must be silence. */
static void expect_silence(app *a, const char *when, int ms)
{
    unsigned long long before = 0, after = 1;
    test_case(when);
    for (int attempt = 0; attempt < 5 && before != after; attempt++) {
        before = activity(a->pid);
        lab_wait_for(3000); /* what is due last is due after 1 s, and may come late */
        after = activity(a->pid);
    }
    CHECK_MSG(before == after, "the master did something in each of 5 times 3 seconds");
    lab_wait_for(ms);
    CHECK_INT(activity(a->pid) - after, ==, 0);
}

void test_main(void)
{
    app *a = app_start(.control = true);
    if (access("/proc/self/schedstat", R_OK) != 0)
        printf("NOT CHECKED: time on the processor to the nanosecond (contract 4.5), for this kernel does not tell it\n");
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    expect_silence(a, "after the start", 1500);
    pid_t old = lab_kill(a, 1, SIGKILL);
    lab_wait_new_pid(a, 1, old);
    app_wait_out_times(a, "worker 1 listening", 2);
    app_ctl(a, "restart");
    lab_finish_restart(a);
    lab_kill(a, 0, SIGTERM); /* and one slot that is down for good */
    app_wait_out(a, "event exit 0 143 graceful");
    expect_silence(a, "after a respawn and a restart", 10000);
    app_stop(a);
}
