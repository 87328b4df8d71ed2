/* Looking at processes through /proc. */
#include "internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool proc_read(pid_t pid, const char *file, char *buffer, size_t size, size_t *length)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t used = 0;
    ssize_t got = 0;
    while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) > 0)
        used += (size_t)got;
    close(fd);
    buffer[used] = '\0';
    if (length)
        *length = used;
    return got >= 0;
}

/* State and parent from /proc/<pid>/stat; the name in it may hold blanks and brackets, so they stand after the last one. */
static bool stat_fields(pid_t pid, char *state, pid_t *parent)
{
    char text[1024];
    int number = 0;
    if (!proc_read(pid, "stat", text, sizeof text, NULL))
        return false;
    const char *after = strrchr(text, ')');
    if (!after || sscanf(after + 1, " %c %d", state, &number) != 2)
        return false;
    *parent = number;
    return true;
}

char proc_state(pid_t pid)
{
    char state = 0;
    pid_t parent = 0;
    return stat_fields(pid, &state, &parent) ? state : 0;
}

bool proc_alive(pid_t pid)
{
    char state = proc_state(pid);
    return state != 0 && state != 'Z' && state != 'X';
}

bool proc_status_field(pid_t pid, const char *name, char *value, size_t size)
{
    char text[8192];
    if (!proc_read(pid, "status", text, sizeof text, NULL))
        return false;
    size_t name_length = strlen(name);
    for (char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncmp(line, name, name_length) != 0 || line[name_length] != ':')
            continue;
        line += name_length + 1;
        line += strspn(line, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
        return true;
    }
    return false;
}

static bool in_signal_set(pid_t pid, const char *set, int signal)
{
    char value[32];
    if (!proc_status_field(pid, set, value, sizeof value))
        return false;
    return (strtoull(value, NULL, 16) >> (signal - 1)) & 1;
}

bool proc_catches(pid_t pid, int signal)
{
    return in_signal_set(pid, "SigCgt", signal);
}

bool proc_ignores(pid_t pid, int signal)
{
    return in_signal_set(pid, "SigIgn", signal);
}

static bool file_contains(pid_t pid, const char *file, const char *text)
{
    static char buffer[256 * 1024];
    size_t length = 0;
    return proc_read(pid, file, buffer, sizeof buffer, &length) && memmem(buffer, length, text, strlen(text)) != NULL;
}

static bool has_marker(pid_t pid, const char *marker)
{
    return file_contains(pid, "cmdline", marker) || file_contains(pid, "environ", marker);
}

/* Calls `accept` for every process and collects those for which it says yes. */
static int collect(bool (*accept)(pid_t pid, const void *what), const void *what, pid_t *pids, int room)
{
    DIR *folder = opendir("/proc");
    if (!folder)
        return 0;
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL && count < room) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid != getpid() && proc_alive(pid) && accept(pid, what))
            pids[count++] = pid;
    }
    closedir(folder);
    return count;
}

static bool accept_marker(pid_t pid, const void *marker)
{
    return has_marker(pid, marker);
}

static bool accept_child(pid_t pid, const void *master)
{
    char state = 0;
    pid_t parent = 0;
    return stat_fields(pid, &state, &parent) && parent == *(const pid_t *)master;
}

int ct_pids_with_marker(const char *marker, pid_t *pids, int room)
{
    return collect(accept_marker, marker, pids, room);
}

void ct_end_if_too_deep(const char *marker)
{
    char state = 0;
    pid_t ancestor = getppid();
    for (int depth = 0; depth < 6; depth++)
        if (!file_contains(ancestor, "cmdline", marker) || !stat_fields(ancestor, &state, &ancestor))
            return;
    dprintf(STDERR_FILENO, "harness: workers start workers without end\n");
    _exit(CT_CHECK_FAILED);
}

int app_processes(app *a, pid_t *pids, int room)
{
    return ct_pids_with_marker(a->marker, pids, room);
}

int app_children(app *a, pid_t *pids, int room)
{
    return collect(accept_child, &a->pid, pids, room);
}

int proc_listeners(uint16_t port)
{
    char line[512];
    int count = 0;
    FILE *table = fopen("/proc/net/tcp", "re");
    CHECK(table != NULL);
    while (fgets(line, sizeof line, table)) {
        unsigned local_port = 0, state = 0;
        if (sscanf(line, " %*d: %*8x:%x %*8x:%*x %x", &local_port, &state) == 2 && local_port == port && state == 0x0a)
            count++;
    }
    fclose(table);
    return count;
}

int ct_pidfd_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* By pidfd, and the marker is read once more after it is open: so a number that was given to another process is never hit. */
static void kill_one(pid_t pid, const char *marker)
{
    int fd = ct_pidfd_open(pid);
    if (fd < 0)
        return;
    if (has_marker(pid, marker))
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    close(fd);
}

void ct_kill_marked(const char *marker)
{
    static pid_t pids[CT_MAX_PIDS];
    /* More than one round: a master may be starting a worker just now. */
    for (int round = 0; round < 200; round++) {
        int count = ct_pids_with_marker(marker, pids, CT_MAX_PIDS);
        if (count == 0)
            return;
        for (int i = 0; i < count; i++)
            kill_one(pids[i], marker);
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000}, NULL);
    }
}
