/* A program that is PID 1 of a namespace, as in a container without an init; see lab.h. */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        say("cannot write %s: %s", path, strerror(errno));
    close(fd);
}

static bool unshare_as_user(void)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) != 0)
        return false;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
    write_file("/proc/self/gid_map", map);
    return true;
}

static pid_t first = 0;

static void pass_on(int number)
{
    kill(first, number);
}

static int refused(const char *what)
{
    say("refused: %s: %s", what, strerror(errno));
    return PID1_REFUSED;
}

int pid1_run(char **argv, const char *variant)
{
    int status = 0;
    char app[64];
    snprintf(app, sizeof app, "app:%s", variant);
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 && !unshare_as_user())
        return refused("a new PID namespace");
    signal(SIGTERM, pass_on);
    first = fork();
    if (first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0)
            _exit(refused("/proc in the namespace"));
        execv("/proc/self/exe", (char *[]){argv[0], app, argv[2], argv[3], NULL});
        _exit(126);
    }
    while (waitpid(first, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

bool pid1_is_refused(app *a)
{
    WAIT_UNTIL(app_count_out(a, "master ready") > 0 || a->ended);
    return a->ended && app_count_out(a, "refused:") > 0;
}

pid_t pid1_make_orphan(bool own_session)
{
    int ends[2];
    pid_t orphan = -1;
    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        pid_t middle = getpid();
        pid_t pid = fork();
        if (pid == 0) {
            if (own_session)
                setsid();
            while (getppid() == middle)
                usleep(1000);
            _exit(0);
        }
        _exit(write(ends[1], &pid, sizeof pid) == sizeof pid ? 0 : 1);
    }
    while (read(ends[0], &orphan, sizeof orphan) < 0 && errno == EINTR)
        ;
    close(ends[0]);
    close(ends[1]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return orphan;
}
