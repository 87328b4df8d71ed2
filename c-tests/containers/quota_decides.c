/* contract 1.2, 1.4: a cluster that is not told how many workers it shall have starts as many as its quota allows, in a control group namespace
   too, where /proc and the mount tell of the group as if it were the topmost. See also tests/cpus.c. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.port = app_port(argv)};
    return lab_main(&options, argc, argv, plain_worker);
}

static char group[600];
static bool version_2, in_namespace;

static bool put(const char *name, const char *text)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s", group, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

static void refuse(const char *what)
{
    dprintf(STDERR_FILENO, "refused: %s: %s\n", what, strerror(errno));
    _exit(BOX_REFUSED);
}

/* As container engines do: into the group, then a namespace whose root it is, with that hierarchy mounted alone. */
static void enter(void)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (!put("cgroup.procs", pid))
        refuse("to enter a control group");
    if (!in_namespace)
        return;
    if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        umount2("/sys/fs/cgroup", MNT_DETACH) != 0)
        refuse("a control group namespace");
    if (version_2) {
        if (mount("cgroup", "/sys/fs/cgroup", "cgroup2", MS_RDONLY, NULL) != 0)
            refuse("cgroup2");
    } else if (mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL) != 0 || mkdir("/sys/fs/cgroup/cpu", 0755) != 0 ||
               mount("cgroup", "/sys/fs/cgroup/cpu", "cgroup", MS_RDONLY, "cpu") != 0) {
        refuse("cgroup");
    }
}

/* A group below the one that the test runs in, with half a CPU. */
static bool make_group(void)
{
    char text[4096], *line, *rest, at[400] = "";
    CHECK(proc_read(getpid(), "cgroup", text, sizeof text, NULL));
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *path = strchr(line, '/');
        if (path && strstr(line, ":cpu:"))
            snprintf(at, sizeof at, "/sys/fs/cgroup/cpu%s", path);
        else if (path && strncmp(line, "0::", 3) == 0 && access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0) {
            version_2 = true;
            snprintf(at, sizeof at, "/sys/fs/cgroup%s", path);
        }
    }
    snprintf(group, sizeof group, "%s/cluster-test-quota-%d", at, (int)getpid());
    if (!*at || mkdir(group, 0755) != 0)
        return false;
    bool limited = version_2 ? put("cpu.max", "50000 100000") : put("cpu.cfs_period_us", "100000") && put("cpu.cfs_quota_us", "50000");
    if (!limited)
        (void)rmdir(group);
    return limited;
}

static void starts_one(void)
{
    app *a = app_start(.control = true, .before_exec = enter);
    app_wait_out(a, "master ready");
    CHECK_INT(ctl_field(app_ctl(a, "stats"), "total"), ==, 1);
    app_stop(a);
}

/* The group is empty as soon as the last process of it is reaped. */
static bool is_removed(void)
{
    return rmdir(group) == 0 || errno == ENOENT;
}

void test_main(void)
{
    if (!make_group()) {
        printf("NOT CHECKED: the quota of a container, because this user cannot make a control group with a cpu controller here\n");
        return;
    }
    if (box_can(enter, "the quota of a control group"))
        starts_one();
    in_namespace = true;
    if (box_can(enter, "a control group namespace"))
        starts_one();
    WAIT_UNTIL(is_removed());
}
