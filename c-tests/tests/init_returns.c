/* contract 2.5: when cluster_init returns, and the delays between the starts. Upper limits are generous: the machine may be busy; what
 * is exact is the order of events and the lower limits. */
#include "harness.h"
#include "server.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t last_start, shortest = INT64_MAX, longest;
static int starts, ends;

static void on_start(uint8_t worker_id)
{
    int64_t now = ct_now_ms();
    (void)worker_id;
    if (starts++ > 0) {
        int64_t gap = now - last_start;
        shortest = gap < shortest ? gap : shortest;
        longest = gap > longest ? gap : longest;
    }
    last_start = now;
}

static void on_exit_count(uint8_t worker_id, int exit_status, bool is_crash)
{
    (void)worker_id, (void)exit_status, (void)is_crash;
    ends++;
}

static int be_worker(const char *variant)
{
    if (strcmp(variant, "never listens") == 0)
        for (;;)
            pause();
    if (strcmp(variant, "exits at once") == 0)
        return 3;
    if (strcmp(variant, "crashes once") == 0 && cluster_worker_id() == 0 && open(getenv("CT_FLAG"), O_CREAT | O_EXCL, 0600) >= 0)
        return 3; /* the first time: the file was not there */
    if (strncmp(variant, "listens late", 12) == 0)
        usleep(300 * 1000); /* part of the program under test, not a wait of the driver */
    return server_serve(cluster_get_port());
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3, .port = app_port(argv), .on_start = on_start, .on_exit = on_exit_count};
    if (strcmp(variant, "never listens") == 0)
        options.cpus = 1;
    if (strcmp(variant, "explicit delay") == 0)
        options.worker_startup_delay_ms = 250;
    if (strcmp(variant, "crashes once") == 0) {
        options.worker_startup_delay_ms = 1000;
        options.worker_respawn_delay_ms = 10;
        options.respawn = true;
    }
    if (strcmp(variant, "early") == 0)
        options.cpus = 30;
    int64_t called = ct_now_ms();
    if (!cluster_init(&options, argc, argv))
        return be_worker(variant);
    int64_t returned = ct_now_ms();
    say("init took %d ms, %d after the last start, %d starts, %d ends, gaps %d to %d", (int)(returned - called),
        (int)(returned - last_start), starts, ends, (int)shortest, (int)longest);
    cluster_wait_workers();
    say("master done");
    return 0;
}

struct times {
    int took, after_last, starts, ends, shortest, longest;
};

static struct times read_times(app *a)
{
    struct times t;
    const char *line = app_wait_out(a, "init took");
    CHECK_INT(sscanf(line, "init took %d ms, %d after the last start, %d starts, %d ends, gaps %d to %d", &t.took, &t.after_last,
                     &t.starts, &t.ends, &t.shortest, &t.longest),
              ==, 6);
    return t;
}

/* When it came back before its time was over, every worker listened: a look at the kernel's table proves it. */
static void all_listen(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant);
    struct times t = read_times(a);
    CHECK_INT(t.starts, ==, 3);
    CHECK_INT(t.ends, ==, 0);
    if (t.after_last < 450)
        CHECK_INT(proc_listeners(a->port), ==, 3);
    else
        printf("the machine is busy: init returned %d ms after the last start, so nothing is proved here\n", t.after_last);
    app_wait_serving(a, 3);
    app_stop(a);
}

static void never_listens(void)
{
    test_case("never listens");
    app *a = app_start(.variant = "never listens");
    struct times t = read_times(a);
    CHECK_INT(t.took, >=, 499); /* counted from the spawn, which comes after the call */
    CHECK_INT(t.took, <, 8000);
    app_stop(a);
}

static void exits_at_once(void)
{
    test_case("exits at once");
    app *a = app_start(.variant = "exits at once");
    struct times t = read_times(a);
    CHECK_INT(t.starts, ==, 3);
    if (t.after_last < 450)
        CHECK_INT(t.ends, ==, 3); /* handled inside cluster_init, which had nothing more to wait for */
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker [0-2] crashed after [0-9]+ s \\(exit 3\\)$", 3);
}

/* Long before the last worker is started, the first one has crashed and its respawn is due. */
static void respawns_meanwhile(void)
{
    char flag[PATH_MAX];
    test_case("crashes once");
    snprintf(flag, sizeof flag, "CT_FLAG=%s/flag", temp_folder());
    app *a = app_start(.variant = "crashes once", .env = (const char *const[]){flag, NULL});
    struct times t = read_times(a);
    CHECK_INT(t.ends, ==, 1);
    CHECK_INT(t.starts, ==, 4);
    app_wait_serving(a, 3);
    app_stop(a);
    app_expect_err_count(a, "", 1);
}

static void explicit_delay(void)
{
    test_case("an explicit delay is kept, counted from the previous on_start");
    app *a = app_start(.variant = "explicit delay");
    CHECK_INT(read_times(a).shortest, >=, 249);
    app_stop(a);
}

static void default_delay(void)
{
    test_case("the default delay of 100 ms holds for workers that listen late");
    app *a = app_start(.variant = "listens late, default delay");
    CHECK_INT(read_times(a).shortest, >=, 99);
    app_stop(a);
    test_case("and ends early for those that listen");
    a = app_start(.variant = "early");
    struct times t = read_times(a);
    CHECK_INT(t.starts, ==, 30);
    CHECK_INT(t.shortest, <, 95); /* at least once in 29 times, however busy the machine is */
    app_stop(a);
}

void test_main(void)
{
    all_listen("listens");
    all_listen("listens late");
    never_listens();
    exits_at_once();
    respawns_meanwhile();
    explicit_delay();
    default_delay();
}
