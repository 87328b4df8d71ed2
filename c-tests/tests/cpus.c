/* contract 1.4: the CPU counts respect the affinity mask and the cgroup's quota; physical is from 1 to logical; at most 255. */
#include "harness.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)argc, (void)argv, (void)variant;
    say("cpus %u physical %u", cluster_cpus(), cluster_cpus_physical());
    return 0;
}

/* Each count in a process of its own: some implementations remember the first answer. */
static void ask(void (*before)(void), int *logical, int *physical)
{
    app *a = app_start(.before_exec = before);
    const char *line = app_wait_out(a, "cpus");
    CHECK_INT(sscanf(line, "cpus %d physical %d", logical, physical), ==, 2);
    app_expect_exit(a, 0);
    CHECK_INT(*physical, >=, 1);
    CHECK_INT(*physical, <=, *logical);
    CHECK_INT(*logical, <=, 255);
}

/* How many CPUs, the lowest ones first, the next process may use. */
static int wanted;

static void use_wanted(void)
{
    cpu_set_t all, some;
    int used = 0;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&some);
    for (int cpu = 0; cpu < CPU_SETSIZE && used < wanted; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &some);
            used++;
        }
    }
    sched_setaffinity(0, sizeof some, &some);
}

static void affinity(int allowed)
{
    test_case("affinity");
    int logical = 0, physical = 0;
    ask(NULL, &logical, &physical);
    CHECK_INT(logical, <=, allowed);
    int most = logical;
    for (wanted = 1; wanted <= allowed && wanted <= 16; wanted++) {
        ask(use_wanted, &logical, &physical);
        CHECK_INT(logical, ==, wanted < most ? wanted : most);
    }
}

/* ---- the quota: in a control group of the test's own, below the one that the test runs in ------------------------- */

static char group[512], child[600];
static bool version_2;

static bool write_file(const char *folder, const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* The folder of the control group that has the cpu controller, by the mounts that are usual. */
static bool find_group(void)
{
    char text[4096], *line, *rest;
    CHECK(proc_read(getpid(), "cgroup", text, sizeof text, NULL));
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        version_2 = *controllers == '\0';
        if (version_2)
            snprintf(group, sizeof group, "/sys/fs/cgroup%s", path);
        else if (strcmp(controllers, "cpu") == 0 || strncmp(controllers, "cpu,", 4) == 0)
            snprintf(group, sizeof group, "/sys/fs/cgroup/%s%s", controllers, path);
        else
            continue;
        char probe[600];
        snprintf(probe, sizeof probe, "%s/%s", group, version_2 ? "cgroup.controllers" : "cpu.cfs_quota_us");
        if (access(probe, R_OK) == 0 && (!version_2 || access(group, W_OK) == 0))
            return true;
    }
    return false;
}

static bool set_quota(const char *folder, int percent)
{
    char text[64];
    if (version_2) {
        snprintf(text, sizeof text, "%d 100000", percent * 1000);
        return write_file(folder, "cpu.max", text);
    }
    snprintf(text, sizeof text, "%d", percent * 1000);
    return write_file(folder, "cpu.cfs_period_us", "100000") && write_file(folder, "cpu.cfs_quota_us", text);
}

static void enter_child(void)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)getpid());
    if (!write_file(child, version_2 ? "cgroup.procs" : "tasks", text))
        _exit(125);
}

static void quota(int most)
{
    test_case("quota");
    char outer[560];
    bool made = false;
    if (find_group()) {
        snprintf(outer, sizeof outer, "%s/cluster-test-%d", group, (int)getpid());
        snprintf(child, sizeof child, "%s/inner", outer);
        made = mkdir(outer, 0755) == 0;
        if (made && version_2)
            (void)write_file(outer, "cgroup.subtree_control", "+cpu");
        made = made && mkdir(child, 0755) == 0;
    }
    if (!made || !set_quota(outer, 10)) {
        printf("NOT CHECKED: the quota, because this user cannot make a control group with a cpu controller here\n");
    } else {
        int logical = 0, physical = 0;
        ask(enter_child, &logical, &physical); /* the parent's quota of a tenth of a CPU, rounded up */
        CHECK_INT(logical, ==, 1);
        CHECK(set_quota(outer, most * 100 + 1000));
        ask(enter_child, &logical, &physical); /* more than there is */
        CHECK_INT(logical, ==, most);
        if (most > 1) {
            CHECK(set_quota(child, (most - 1) * 100 - 50));
            ask(enter_child, &logical, &physical); /* the group's own, half a CPU less than most - 1, rounded up */
            CHECK_INT(logical, ==, most - 1);
        }
    }
    (void)rmdir(child);
    (void)rmdir(outer);
}

void test_main(void)
{
    cpu_set_t all;
    CHECK_INT(sched_getaffinity(0, sizeof all, &all), ==, 0);
    int allowed = CPU_COUNT(&all), logical = 0, physical = 0;
    affinity(allowed);
    ask(NULL, &logical, &physical);
    quota(logical);
}
