/* contract 2.3, 2.2: what a worker finds around it: stdin, session, signals, limits, descriptors, directory, names. */
#include "harness.h"
#include "server.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOFT_LIMIT 300
#define HARD_LIMIT 900

static bool is_real_signal(int number)
{
    return number != SIGKILL && number != SIGSTOP && number != 32 && number != 33;
}

/* ---- how the master is started ------------------------------------------------------------------------------------ */

static void limit_descriptors(void)
{
    struct rlimit limit = {SOFT_LIMIT, HARD_LIMIT};
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void ignore_and_block(void)
{
    sigset_t blocked;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGTERM); /* with these the master is told what to do */
    sigdelset(&blocked, SIGUSR2);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    for (int number = 1; number <= 64; number++)
        if (is_real_signal(number) && number != SIGTERM && number != SIGUSR2)
            signal(number, SIG_IGN);
    limit_descriptors();
}

/* ---- in the worker, at the very beginning of main ----------------------------------------------------------------- */

static void check_signals(bool pipe_ignored)
{
    sigset_t mask;
    CHECK_INT(sigprocmask(SIG_SETMASK, NULL, &mask), ==, 0);
    for (int number = 1; number <= 64; number++) {
        if (!is_real_signal(number))
            continue;
        struct sigaction action;
        CHECK_INT(sigaction(number, NULL, &action), ==, 0);
        CHECK_MSG(!sigismember(&mask, number), "signal %d is blocked in a worker", number);
        bool ignored = action.sa_handler == SIG_IGN, expected = number == SIGPIPE && pipe_ignored;
        CHECK_MSG(ignored == expected, "signal %d is %s in a worker", number, ignored ? "ignored" : "not ignored");
        CHECK_MSG(ignored || action.sa_handler == SIG_DFL, "signal %d has a handler in a worker", number);
    }
}

static void check_session_and_limits(void)
{
    struct rlimit limit;
    CHECK_INT(getsid(0), ==, getpid());
    CHECK_INT(getpgrp(), ==, getpid());
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    CHECK_INT(limit.rlim_cur, ==, SOFT_LIMIT);
    CHECK_INT(limit.rlim_max, ==, HARD_LIMIT);
}

static void same_target_as_masters(int fd)
{
    char own[64], his[64], own_target[256] = "", his_target[256] = "";
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    snprintf(his, sizeof his, "/proc/%d/fd/%d", (int)getppid(), fd);
    CHECK_INT(readlink(own, own_target, sizeof own_target - 1), >, 0);
    CHECK_INT(readlink(his, his_target, sizeof his_target - 1), >, 0);
    CHECK_STR(own_target, his_target);
}

static void check_standard_streams(void)
{
    struct stat null, in;
    char byte;
    CHECK_INT(stat("/dev/null", &null), ==, 0);
    CHECK_INT(fstat(0, &in), ==, 0);
    CHECK_INT(in.st_rdev, ==, null.st_rdev);
    CHECK_INT(read(0, &byte, 1), ==, 0);
    same_target_as_masters(1);
    same_target_as_masters(2);
}

/* What a worker's descriptors above the standard ones are. */
typedef struct {
    int channels, lines, masters, events, listeners, others;
} descriptors;

/* Which process a pidfd stands for; -1 if it is none. */
static int process_of(int fd, const char *target)
{
    char path[64], info[1024];
    int pid = -1;
    if (strcmp(target, "anon_inode:[pidfd]") != 0 && strncmp(target, "pidfd:", 6) != 0)
        return -1;
    snprintf(path, sizeof path, "fdinfo/%d", fd);
    CHECK(proc_read(getpid(), path, info, sizeof info, NULL));
    const char *line = strstr(info, "\nPid:");
    CHECK(line != NULL && sscanf(line, "\nPid: %d", &pid) == 1);
    return pid;
}

static int socket_option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* None is for a program that the worker executes, and none of the master's side, that is no channel but its own, no process but the master. */
static void classify(int fd, descriptors *found)
{
    char path[64], target[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_INT(readlink(path, target, sizeof target - 1), >, 0);
    CHECK_MSG(fcntl(fd, F_GETFD) & FD_CLOEXEC, "descriptor %d (%s) of a worker is not close-on-exec", fd, target);
    int pid = process_of(fd, target);
    if (pid >= 0) {
        CHECK_MSG(pid == getppid(), "descriptor %d of a worker is of process %d", fd, pid);
        found->masters++;
    } else if (strcmp(target, "anon_inode:[eventfd]") == 0) {
        found->events++;
    } else if (socket_option(fd, SO_DOMAIN) == AF_UNIX && socket_option(fd, SO_TYPE) == SOCK_SEQPACKET) {
        found->channels++;
    } else if (socket_option(fd, SO_DOMAIN) == AF_UNIX && socket_option(fd, SO_TYPE) == SOCK_DGRAM) {
        found->lines++;
    } else if (socket_option(fd, SO_ACCEPTCONN) == 1) {
        found->listeners++;
    } else {
        found->others++;
    }
}

static descriptors list_descriptors(void)
{
    descriptors found = {0, 0, 0, 0, 0, 0};
    struct dirent *entry;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd > 2 && fd != dirfd(folder))
            classify(fd, &found);
    }
    closedir(folder);
    return found;
}

/* Each worker leaves a file behind, in the folder that it is started in. */
static bool has_predecessor(void)
{
    char path[64];
    snprintf(path, sizeof path, "was-here-%s", getenv("ECEWO_WORKER_ID"));
    if (access(path, F_OK) == 0)
        return true;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(fd, >=, 0);
    close(fd);
    return false;
}

/* The library's own, and nothing else: the channel to the master; the line from one of its threads to the other; a pidfd of the master, where
   the kernel has such; five events, by which the parts of the hand-over wake each other and the program's threads; the listener of the slot's
   worker before, if there was one. */
static void check_descriptors(void)
{
    descriptors found = list_descriptors();
    CHECK_INT(found.channels, ==, 1);
    CHECK_INT(found.lines, ==, 1);
    CHECK_INT(found.masters, <=, 1);
    CHECK_INT(found.events, ==, 5);
    CHECK_INT(found.listeners, ==, has_predecessor() ? 1 : 0);
    CHECK_INT(found.others, ==, 0);
}

static void check_directory(void)
{
    char directory[PATH_MAX];
    const char *expected = getenv("CT_DIRECTORY");
    CHECK(getcwd(directory, sizeof directory) != NULL);
    CHECK(expected != NULL);
    CHECK_STR(directory, expected);
}

static void check_at_start(const char *variant)
{
    check_signals(strcmp(variant, "ignored and blocked") == 0);
    check_session_and_limits();
    check_standard_streams();
    check_directory();
    check_descriptors();
    say("worker %s held at its start", getenv("ECEWO_WORKER_ID"));
}

static void tell_descriptors(const char *query, char *body, size_t size)
{
    (void)query;
    descriptors found = list_descriptors();
    snprintf(body, size, "channels %d, lines %d, masters %d, events %d, listeners %d, others %d", found.channels, found.lines, found.masters,
             found.events, found.listeners, found.others);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true};
    if (getenv("ECEWO_WORKER_ID")) {
        check_at_start(variant);
        server_route("/descriptors", tell_descriptors);
    } else {
        CHECK_INT(chdir("/"), ==, 0); /* a worker starts where the program was started all the same */
    }
    return app_serve(&options, argc, argv);
}

/* ---- the driver --------------------------------------------------------------------------------------------------- */

static void check_name(pid_t pid, const char *expected)
{
    char name[32];
    CHECK(proc_read(pid, "comm", name, sizeof name, NULL));
    name[strcspn(name, "\n")] = '\0';
    CHECK_STR(name, expected);
}

/* Once it serves: what it has, beside the library's own, is its server's. */
static void descriptors_of(app *a, int worker_id, char *text, size_t size)
{
    int connection = http_open_worker(a->port, worker_id);
    http_answer answer = http_request(connection, "/descriptors", CT_WAIT_MS);
    close(connection);
    CHECK_INT(answer.outcome, ==, HTTP_ANSWERED);
    snprintf(text, size, "%s", answer.body);
}

static void expect_descriptors(app *a, int worker_id, const char *expected)
{
    char now[256];
    descriptors_of(a, worker_id, now, sizeof now);
    CHECK_STR(now, expected);
}

/* The one that was started last, or later, has inherited no more than the first. */
static void compare_descriptors(app *a)
{
    char first[256];
    descriptors_of(a, 0, first, sizeof first);
    CHECK_MATCH(first, "channels 1, lines 1, masters 1, events ");
    CHECK_MATCH(first, "listeners 1, "); /* the program's: none of the others' */
    expect_descriptors(a, 1, first);
    expect_descriptors(a, 2, first);
    pid_t old = app_worker_pid(a, 1);
    kill(old, SIGKILL);
    app_wait_new_pid(a, 1, old);
    app_wait_out_times(a, "worker 1 listening", 2);
    app_expect_out_count(a, "worker 1 held at its start", 2);
    expect_descriptors(a, 1, first); /* the copy of its predecessor's listener is closed */
    app_wait_serving(a, 3);
}

static void surroundings(const char *variant, void (*before)(void))
{
    char directory[PATH_MAX + 32];
    test_case(variant);
    const char *folder = temp_folder();
    snprintf(directory, sizeof directory, "CT_DIRECTORY=%s", folder);
    app *a = app_start(.variant = variant, .control = true, .directory = folder, .before_exec = before,
                       .env = (const char *const[]){directory, NULL});
    app_wait_out(a, "master ready");
    app_wait_serving(a, 3);
    for (int id = 0; id < 3; id++) {
        char name[32];
        snprintf(name, sizeof name, "ecewo:worker-%d", id);
        check_name(app_worker_pid(a, id), name);
    }
    check_name(a->pid, "ecewo:master");
    compare_descriptors(a);
    app_stop(a);
    app_expect_err_count(a, "", 1); /* the one kill */
}

void test_main(void)
{
    surroundings("as from a shell", limit_descriptors);
    surroundings("ignored and blocked", ignore_and_block);
}
