/* contract 2.3, 2.2: what a worker finds around it: stdin, session, signals, limits, descriptors, directory, names. */
#include "harness.h"
#include "server.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
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

static uint16_t port_of_cluster;

/* The channel; or of the cluster's port: a listener, which may be an earlier worker's for this one to adopt, or a connection. */
static void check_socket(int fd, int *channels)
{
    int domain = 0;
    socklen_t size = sizeof domain;
    struct sockaddr_in name = {0};
    socklen_t name_size = sizeof name;
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size), ==, 0);
    if (domain == AF_UNIX) {
        ++*channels;
        return;
    }
    CHECK_INT(getsockname(fd, (struct sockaddr *)&name, &name_size), ==, 0);
    CHECK_INT(ntohs(name.sin_port), ==, port_of_cluster);
}

/* One descriptor above the standard ones: not for a program that the worker executes, and none of the master's side, that is no channel but
   its own, no process but the master. */
static void check_descriptor(int fd, int *channels)
{
    char path[64], target[256] = "", info[1024];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_INT(readlink(path, target, sizeof target - 1), >, 0);
    CHECK_MSG(fcntl(fd, F_GETFD) & FD_CLOEXEC, "descriptor %d (%s) of a worker is not close-on-exec", fd, target);
    if (strncmp(target, "socket:", 7) == 0)
        check_socket(fd, channels);
    if (strcmp(target, "anon_inode:[pidfd]") != 0 && strncmp(target, "pidfd:", 6) != 0)
        return;
    int pid = -1;
    snprintf(path, sizeof path, "fdinfo/%d", fd);
    CHECK(proc_read(getpid(), path, info, sizeof info, NULL));
    const char *line = strstr(info, "\nPid:");
    CHECK(line != NULL && sscanf(line, "\nPid: %d", &pid) == 1);
    CHECK_MSG(pid == getppid() || pid == getpid(), "descriptor %d of a worker is of process %d", fd, pid);
}

/* How many there are, and how many of them are channels. */
static int count_descriptors(int *channels)
{
    int count = 0;
    struct dirent *entry;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    *channels = 0;
    while ((entry = readdir(folder)) != NULL) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd <= 2 || fd == dirfd(folder))
            continue;
        check_descriptor(fd, channels);
        count++;
    }
    closedir(folder);
    return count;
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
    int channels = 0, count = count_descriptors(&channels);
    CHECK_INT(channels, ==, 1);
    CHECK_INT(count, <=, 8);
    say("worker %s held at its start", getenv("ECEWO_WORKER_ID"));
}

static void tell_descriptors(const char *query, char *body, size_t size)
{
    (void)query;
    int channels = 0;
    snprintf(body, size, "descriptors %d", count_descriptors(&channels));
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true};
    port_of_cluster = options.port;
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

static int descriptors_of(app *a, int worker_id)
{
    int count = -1, connection = http_open_worker(a->port, worker_id);
    http_answer answer = http_request(connection, "/descriptors", CT_WAIT_MS);
    close(connection);
    CHECK_INT(sscanf(answer.body, "descriptors %d", &count), ==, 1);
    return count;
}

/* The one that was started last, or later, has inherited no more than the first. */
static void compare_descriptors(app *a)
{
    int first = descriptors_of(a, 0);
    CHECK_INT(descriptors_of(a, 1), ==, first);
    CHECK_INT(descriptors_of(a, 2), ==, first);
    pid_t old = app_worker_pid(a, 1);
    kill(old, SIGKILL);
    app_wait_new_pid(a, 1, old);
    app_wait_out_times(a, "worker 1 listening", 2);
    app_expect_out_count(a, "worker 1 held at its start", 2);
    CHECK_INT(descriptors_of(a, 1), ==, first);
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
