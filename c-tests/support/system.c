/* Temporary folders, copies of the program, and processes without rights. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All of a test's folders are in one whose name follows from the marker, so that the watchdog finds it too. */
static void base_folder(char *path, size_t size)
{
    snprintf(path, size, "/tmp/cluster-test-%s", ct_marker_prefix);
}

const char *temp_folder(void)
{
    static int number = 0;
    char path[128], base[96];
    base_folder(base, sizeof base);
    int length = snprintf(path, sizeof path, "%s/%d", base, number);
    bool made = (number > 0 || mkdir(base, 0755) == 0) && mkdir(path, 0755) == 0;
    /* The mode again: the umask may have taken from it. */
    if (!made || chmod(base, 0755) != 0 || chmod(path, 0755) != 0)
        ct_fail(ct_file, ct_line, "cannot make a temporary folder: %s", strerror(errno));
    number++;
    return ct_keep(path, (size_t)length);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

void ct_remove_temp_folders(void)
{
    char base[96];
    base_folder(base, sizeof base);
    nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *copy_program(void)
{
    char path[256];
    int length = snprintf(path, sizeof path, "%s/program", temp_folder());
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    ssize_t copied = 1;
    while (from >= 0 && to >= 0 && copied > 0)
        copied = sendfile(to, from, NULL, 1 << 24);
    if (from < 0 || to < 0 || copied < 0 || fchmod(to, 0755) != 0)
        ct_fail(ct_file, ct_line, "cannot copy the program: %s", strerror(errno));
    close(from);
    close(to);
    return ct_keep(path, (size_t)length);
}

/* Leaves one capability: without it the new user could not execute a program in, say, root's home folder. */
static bool keep_only_read_search(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    data[0].permitted = data[0].effective = data[0].inheritable = 1u << CAP_DAC_READ_SEARCH;
    return syscall(SYS_capset, &header, data) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) == 0;
}

void become_unprivileged(void)
{
    if (geteuid() != 0)
        return;
    uid_t user = 100000 + (uid_t)getppid() % 100000; /* the parent is the driver */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 ||
        setresuid(user, user, user) != 0 || !keep_only_read_search()) {
        dprintf(STDERR_FILENO, "harness: cannot become a user without rights: %s\n", strerror(errno));
        _exit(125);
    }
}
