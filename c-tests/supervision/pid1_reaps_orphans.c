/* contract 3.7: as PID 1, as in a container without an init, the master also reaps orphans of other sessions; those of
   its own session, which the program may wait for, are left alone. */
#include "internal.h"
#include "lab.h"
#include "server.h"

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

#define SKIPPED 77

/* ---- becoming PID 1 ------------------------------------------------------------------------------------------------ */

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
    return SKIPPED;
}

/* This process stays outside; its child is PID 1 of a new namespace and becomes the program. */
static int enter_namespace(char **argv)
{
    int status = 0;
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 && !unshare_as_user())
        return refused("a new PID namespace");
    signal(SIGTERM, pass_on);
    first = fork();
    if (first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0)
            _exit(refused("/proc in the namespace"));
        execv("/proc/self/exe", (char *[]){argv[0], "app:run", argv[2], argv[3], NULL});
        _exit(126);
    }
    while (waitpid(first, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ---- in the namespace ---------------------------------------------------------------------------------------------- */

/* A grandchild that ends as an orphan, in a session of its own or in the master's; gives its pid. */
static pid_t make_orphan(bool own_session)
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
    if (read(ends[0], &orphan, sizeof orphan) != sizeof orphan)
        orphan = -1;
    close(ends[0]);
    close(ends[1]);
    waitpid(child, NULL, 0);
    return orphan;
}

static bool command(const char *text, char *answer, size_t size)
{
    int pid = 0;
    if (strcmp(text, "orphan own session") == 0)
        snprintf(answer, size, "pid=%d", (int)make_orphan(true));
    else if (strcmp(text, "orphan same session") == 0)
        snprintf(answer, size, "pid=%d", (int)make_orphan(false));
    else if (sscanf(text, "state %d", &pid) == 1)
        snprintf(answer, size, "state=%d", proc_state(pid));
    else
        return false;
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    if (strcmp(variant, "namespace") == 0)
        return enter_namespace(argv);
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return server_serve(cluster_get_port());
    say("master ready as %d", (int)getpid());
    cluster_wait_workers();
    return 0;
}

/* ---- driver -------------------------------------------------------------------------------------------------------- */

static int state(app *a, int pid)
{
    return (int)ctl_field(app_ctl(a, "state %d", pid), "state");
}

static int orphan(app *a, const char *session)
{
    int pid = (int)ctl_field(app_ctl(a, "orphan %s session", session), "pid");
    CHECK_INT(pid, >, 1);
    return pid;
}

void test_main(void)
{
    app *a = app_start(.control = true, .variant = "namespace");
    WAIT_UNTIL(app_count_out(a, "master ready") > 0 || a->ended);
    if (a->ended && app_count_out(a, "refused:") > 0) {
        printf("SKIPPED: this machine gives no PID namespace: %s", a->out.data);
        ct_watchdog_end();
        exit(SKIPPED);
    }
    app_wait_out(a, "master ready as 1");
    int kept = orphan(a, "same");
    WAIT_UNTIL(state(a, kept) == 'Z');
    int reaped = orphan(a, "own");
    WAIT_UNTIL(state(a, reaped) == 0);
    CHECK_INT(state(a, kept), ==, 'Z');

    /* And the cluster does what it does elsewhere. */
    http_request(http_open_worker(a->port, 0), "/exit?3", CT_WAIT_MS);
    app_wait_err(a, "re:^\\[ERROR\\] Worker 0 crashed after [0-9]+ s \\(exit 3\\)$");
    app_wait_out_times(a, "event start 0", 2);
    app_wait_serving(a, 2);
    reaped = orphan(a, "own");
    WAIT_UNTIL(state(a, reaped) == 0);
    app_expect_err_count(a, "[WARN]", 0);
    app_stop(a);
}
