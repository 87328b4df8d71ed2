/* contract 2.2: a worker never becomes a master: without its channel, or in the background, it says why and exits with 78; an exit
 * before cluster_init is a crash, even with 0. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Closes all descriptors from 3 up, whatever their numbers are; with another word in the variant something else is opened at the
   same numbers. */
static void close_all(const char *variant)
{
    int numbers[64], count = 0, files = -1, ends[2] = {-1, -1};
    struct dirent *entry;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL && count < 64)
        if (atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(folder))
            numbers[count++] = atoi(entry->d_name);
    closedir(folder);
    CHECK_INT(count, >=, 1);
    for (int i = 0; i < count; i++)
        close(numbers[i]);
    if (strcmp(variant, "closed, then files") == 0)
        CHECK_INT(files = open("/dev/null", O_RDWR), >, 2);
    else if (strcmp(variant, "closed, then sockets") == 0)
        CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), ==, 0);
    else
        return;
    for (int i = 0; i < count; i++)
        if (numbers[i] != files && numbers[i] != ends[0] && numbers[i] != ends[1])
            CHECK_INT(dup2(files >= 0 ? files : ends[0], numbers[i]), ==, numbers[i]);
}

static void go_to_background(void)
{
    pid_t child = fork();
    if (child == 0)
        return;
    int status = -1;
    waitpid(child, &status, 0);
    say("background process ended with %d", WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
    _exit(0);
}

static void note_end(uint8_t worker_id, int exit_status, bool is_crash)
{
    say("worker %u ended, status %d, crash %d", worker_id, exit_status, is_crash);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .on_exit = note_end, .respawn_window_sec = 50};
    if (getenv("ECEWO_WORKER_ID")) {
        if (strncmp(variant, "closed", 6) == 0) {
            close_all(variant);
        } else if (strcmp(variant, "background") == 0) {
            go_to_background();
        } else if (strcmp(variant, "exit") == 0) {
            _exit(0);
        }
    }
    if (strcmp(variant, "daemon") == 0) {
        options.respawn = true; /* it crashes until it is disabled */
        CHECK_INT(daemon(1, 1), ==, 0);
    }
    bool master = cluster_init(&options, argc, argv);
    if (getenv("ECEWO_WORKER_ID")) {
        say("a worker came back from cluster_init");
        return 5;
    }
    CHECK(master);
    cluster_wait_workers();
    say("master done");
    return 0;
}

/* A worker without a channel: its line, exit code 78, and that is a crash. */
static void without_channel(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant);
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_out_count(a, "came back", 0);
    app_expect_out_count(a, "worker 0 ended, status 78, crash 1", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(exit 78\\)$", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\].*(clos|descriptor|channel)", 1); /* the worker's own: what is wrong */
    app_expect_out_count(a, "master done", 1);
}

static void in_background(void)
{
    test_case("a worker that forks and goes on in the child");
    app *a = app_start(.variant = "background");
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_out_count(a, "came back", 0);
    app_expect_out_count(a, "background process ended with 78", 1);
    app_expect_out_count(a, "worker 0 ended, status 0, crash 1", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(exit 0\\)$", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\].*([Bb]ackground|daemon|fork)", 1);
}

/* The usual way: the program calls daemon() in whatever process it is. The master is then in the background rightly. */
static void whole_program_daemon(void)
{
    test_case("a program that calls daemon() before cluster_init");
    app *a = app_start(.variant = "daemon");
    app_expect_exit(a, 0); /* the process that the driver started: daemon() left it */
    app_wait_err(a, "disabling respawn");
    app_wait_out(a, "master done");
    app_wait_none_left(a);
    app_expect_out_count(a, "came back", 0);
    app_expect_out_count(a, "worker 0 ended, status 0, crash 1", 3);
}

static void exit_before_init(void)
{
    test_case("exit(0) before cluster_init");
    app *a = app_start(.variant = "exit");
    app_expect_exit(a, 0);
    app_expect_none_left(a);
    app_expect_out_count(a, "worker 0 ended, status 0, crash 1", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(exit 0\\)$", 1);
}

void test_main(void)
{
    without_channel("closed");
    without_channel("closed, then files");
    without_channel("closed, then sockets");
    in_background();
    whole_program_daemon();
    exit_before_init();
}
