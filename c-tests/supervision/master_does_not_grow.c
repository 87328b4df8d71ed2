/* contract 3.2, 5.1, 7.3: crashes and restarts leave nothing behind in the master: neither memory in use nor a descriptor. In all that a
   run of weeks is made of, a few bytes a crash would be noticed in the end. */
#include "lab.h"

#include <dirent.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WARM_CRASHES 200
#define CRASHES 1000
#define WARM_RESTARTS 5
#define RESTARTS 25
/* Each slot remembers the crashes in the window of one second, 100 of them at most. 8 bytes a crash are more than this. */
#define ROOM 6000
#define MOST_PSS_KIB 4096

static int crashes = 0;

/* Bytes that the program and the library have allocated; -1 where the C library does not tell. */
static long allocated(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return (long)mallinfo2().uordblks;
#else
    return -1;
#endif
}

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void count_exit(uint8_t id, int status, bool is_crash)
{
    (void)id;
    (void)status;
    if (!is_crash)
        return;
    crashes++;
    if (crashes == WARM_CRASHES || crashes == WARM_CRASHES + CRASHES)
        say("crashes=%d bytes=%ld descriptors=%d", crashes, allocated(), descriptors());
    if (crashes == WARM_CRASHES + CRASHES)
        cluster_signal_workers(SIGTERM);
}

static bool command(const char *text, char *answer, size_t size)
{
    if (strcmp(text, "growth") != 0)
        return false;
    snprintf(answer, size, "bytes=%ld descriptors=%d", allocated(), descriptors());
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    bool crash = strcmp(variant, "crashes") == 0;
    Cluster options = {.cpus = 2,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_startup_delay_ms = 1,
                       .worker_respawn_delay_ms = 10, /* 255 crashes in the window of one second disable a worker */
                       .respawn_window_sec = 1,
                       .respawn_max_crashes = 255,
                       .on_exit = crash ? count_exit : lab_on_exit};
    control_start(command);
    if (cluster_init(&options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    if (!crash)
        return plain_worker();
    plain_listen("0.0.0.0", cluster_get_port());
    return 3;
}

static void expect_no_growth(const char *what, const char *before, const char *after)
{
    long long bytes = ctl_field(after, "bytes") - ctl_field(before, "bytes");
    if (ctl_field(after, "bytes") < 0)
        printf("NOT CHECKED: the master's memory in use after %s, for this C library does not tell it\n", what);
    else
        printf("%lld bytes more after %s\n", bytes, what);
    CHECK_INT(bytes, <, ROOM);
    CHECK_INT(ctl_field(after, "descriptors"), <=, ctl_field(before, "descriptors") + 4); /* those of a worker being made */
}

static void expect_small(app *a)
{
    char text[4096];
    size_t length = 0;
#ifdef __SANITIZE_ADDRESS__
    printf("NOT CHECKED: the master's PSS, for most of it is the address sanitizer's\n");
    return;
#endif
    if (!proc_read(a->pid, "smaps_rollup", text, sizeof text, &length)) {
        printf("NOT CHECKED: the master's PSS, for this kernel does not tell it\n");
        return;
    }
    const char *line = strstr(text, "\nPss:");
    CHECK(line != NULL);
    printf("PSS %ld KiB\n", atol(line + 5));
    CHECK_INT(atol(line + 5), <, MOST_PSS_KIB);
}

void test_main(void)
{
    char before[128];
    test_time_limit(170);
    test_case("crashes");
    app *a = app_start(.variant = "crashes", .control = true);
    while (!a->ended)
        ct_pump(1000);
    app_expect_exit(a, 0);
    snprintf(before, sizeof before, "%s", app_wait_out(a, "re:^crashes=200 "));
    expect_no_growth("1000 crashes", before, app_wait_out(a, "re:^crashes=1200 "));

    test_case("restarts");
    app *b = app_start(.variant = "restarts", .control = true);
    app_wait_out(b, "master ready");
    for (int i = 1; i <= WARM_RESTARTS + RESTARTS; i++) {
        app_ctl(b, "restart");
        lab_finish_restart(b);
        app_wait_out_times(b, "event exit", 2 * i);
        if (i == WARM_RESTARTS)
            snprintf(before, sizeof before, "%s", app_ctl(b, "growth"));
    }
    expect_no_growth("25 restarts", before, app_ctl(b, "growth"));
    expect_small(b);
    app_stop(b);
}
