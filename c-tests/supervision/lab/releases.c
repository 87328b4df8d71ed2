/* Program files that can be told apart; see lab.h. */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The end of a release's file: an ELF program does not mind what follows it. */
#define TRAILER_SIZE 64
static const char trailer_start[] = "CT-RELEASE:";

/* ---- the folder --------------------------------------------------------------------------------------------------- */

const char *lab_folder(void)
{
    static const char *folder = NULL;
    if (!folder)
        folder = temp_folder();
    return folder;
}

const char *lab_path(const char *name)
{
    static char paths[8][512];
    static int next = 0;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", lab_folder(), name);
    return path;
}

const char *const *lab_env(void)
{
    static char entry[320];
    static const char *const list[] = {entry, NULL};
    snprintf(entry, sizeof entry, "CT_FOLDER=%s", lab_folder());
    return list;
}

/* ---- installing and reading --------------------------------------------------------------------------------------- */

static void copy_all(int from, int to)
{
    static char buffer[1 << 16];
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) > 0)
        CHECK_INT(write(to, buffer, (size_t)got), ==, got);
    CHECK_INT(got, ==, 0);
}

void release_install(const char *path, const char *text)
{
    char beside[600], trailer[TRAILER_SIZE] = "";
    CHECK_INT(snprintf(trailer, sizeof trailer, "%s%s", trailer_start, text), <, TRAILER_SIZE);
    snprintf(beside, sizeof beside, "%s.new", path);
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    CHECK_MSG(from >= 0 && to >= 0, "cannot copy the test's program to %s: %s", beside, strerror(errno));
    copy_all(from, to);
    CHECK_INT(write(to, trailer, sizeof trailer), ==, (ssize_t)sizeof trailer);
    CHECK_INT(fchmod(to, 0755), ==, 0);
    close(from);
    close(to);
    CHECK_INT(rename(beside, path), ==, 0);
}

app *release_start_first(const char *path, int workers)
{
    release_install(path, "1");
    app *a = ct_app_start(&(app_options){.control = true, .program = path, .env = lab_env()});
    ct_wait_line(a, &a->out, 0, "master ready", 1);
    lab_wait_listening(a, workers);
    return a;
}

static const char *read_release(const char *path)
{
    static char trailer[TRAILER_SIZE + 1];
    const char *text = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return text;
    if (lseek(fd, -TRAILER_SIZE, SEEK_END) >= 0 && read(fd, trailer, TRAILER_SIZE) == TRAILER_SIZE &&
        strncmp(trailer, trailer_start, sizeof trailer_start - 1) == 0)
        text = trailer + sizeof trailer_start - 1;
    close(fd);
    return text;
}

const char *release_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    return read_release(path);
}

const char *release_own(void)
{
    return read_release("/proc/self/exe");
}

const char *release_of_worker(app *a, int worker_id)
{
    return release_of(app_worker_pid(a, worker_id));
}

static pid_t find_child(app *a, const char *text)
{
    pid_t all[300];
    int count = app_children(a, all, 300);
    for (int i = 0; i < count; i++)
        if (strcmp(release_of(all[i]), text) == 0)
            return all[i];
    return 0;
}

pid_t release_wait_child(app *a, const char *text)
{
    pid_t pid = 0;
    WAIT_UNTIL((pid = find_child(a, text)) != 0);
    return pid;
}

/* ---- in the program under test ------------------------------------------------------------------------------------ */

void release_behave(void)
{
    const char *text = release_own(), *behaviour;
    char gate[TRAILER_SIZE];
    int code = 0, only = -1;
    if ((behaviour = strstr(text, "for ")) != NULL)
        only = atoi(behaviour + 4);
    if (lab_worker_id() < 0 || (only >= 0 && lab_worker_id() != only))
        return;
    if ((behaviour = strstr(text, "exit ")) != NULL && sscanf(behaviour, "exit %d", &code) == 1)
        _exit(code);
    if (strstr(text, "abort"))
        abort();
    if ((behaviour = strstr(text, "gate ")) != NULL && sscanf(behaviour, "gate %63s", gate) == 1)
        gate_wait(gate);
}
