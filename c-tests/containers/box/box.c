/* Surroundings as in containers; see box.h. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined __x86_64__
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static void refuse(const char *what)
{
    dprintf(STDERR_FILENO, "refused: %s: %s\n", what, strerror(errno));
    _exit(BOX_REFUSED);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        refuse(path);
    close(fd);
}

void box_own_mounts(void)
{
    if (unshare(CLONE_NEWNS) != 0) {
        char map[64];
        uid_t uid = geteuid();
        gid_t gid = getegid();
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            refuse("a mount namespace");
        write_file("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "%u %u 1", (unsigned)uid, (unsigned)uid);
        write_file("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "%u %u 1", (unsigned)gid, (unsigned)gid);
        write_file("/proc/self/gid_map", map);
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        refuse("private mounts");
}

void box_read_only_root(void)
{
    struct statvfs file_system;
    box_own_mounts();
    /* The flags that it has stay: a user namespace may not take any away. */
    if (statvfs("/", &file_system) != 0)
        refuse("statvfs");
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    flags |= (file_system.f_flag & ST_NOSUID ? MS_NOSUID : 0) | (file_system.f_flag & ST_NODEV ? MS_NODEV : 0);
    flags |= (file_system.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) | (file_system.f_flag & ST_RELATIME ? MS_RELATIME : 0);
    if (mount("none", "/", NULL, flags, NULL) != 0)
        refuse("a read-only root");
}

void box_without_proc(void)
{
    box_own_mounts();
    if (mount("none", "/proc", "tmpfs", MS_RDONLY, NULL) != 0)
        refuse("an empty /proc");
}

void box_deny(const long *calls, int error)
{
    struct sock_filter code[64] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short length = 4;
    for (; *calls >= 0 && length < 60; calls++) {
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)*calls, 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA));
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = length, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        refuse("a seccomp filter");
}

bool box_can(void (*enter)(void), const char *what)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        enter();
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), ==, child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == BOX_REFUSED) {
        printf("NOT CHECKED: %s, because this machine or this user does not permit it\n", what);
        return false;
    }
    CHECK_INT(status, ==, 0);
    return true;
}
