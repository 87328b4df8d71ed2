/* The driver's side of the program under test: start it, collect what it writes, see how it ends. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static app *apps[CT_MAX_APPS];
static int app_count = 0;

/* ---- starting ----------------------------------------------------------------------------------------------------- */

static bool names_variable(const char *entry, const char *change)
{
    size_t length = strcspn(change, "=");
    return strncmp(entry, change, length) == 0 && entry[length] == '=';
}

/* The driver's environment with the changes of the options and with the marker. */
static char **build_environment(const app_options *options, const char *marker)
{
    size_t changes = 0, count = 0, used = 0;
    while (options->env && options->env[changes])
        changes++;
    while (environ[count])
        count++;
    char **result = calloc(count + changes + 2, sizeof *result);
    if (!result)
        ct_out_of_memory();
    for (size_t i = 0; i < count; i++) {
        bool changed = false;
        for (size_t c = 0; c < changes; c++)
            changed = changed || names_variable(environ[i], options->env[c]);
        if (!changed)
            result[used++] = environ[i];
    }
    for (size_t c = 0; c < changes; c++)
        if (strchr(options->env[c], '='))
            result[used++] = (char *)options->env[c];
    char own[96];
    int length = snprintf(own, sizeof own, "CT_MARKER=%s", marker);
    result[used++] = (char *)ct_keep(own, (size_t)length);
    return result;
}

static char **build_arguments(const app_options *options, const app *a, const char *program)
{
    char text[96];
    size_t count = 0, used = 0;
    while (options->args && options->args[count])
        count++;
    char **result = calloc(count + 5, sizeof *result);
    if (!result)
        ct_out_of_memory();
    result[used++] = (char *)program;
    if (!options->foreign) {
        int length = snprintf(text, sizeof text, "app:%s", options->variant ? options->variant : "");
        result[used++] = (char *)ct_keep(text, (size_t)length);
        length = snprintf(text, sizeof text, "%u", (unsigned)a->port);
        result[used++] = (char *)ct_keep(text, (size_t)length);
    }
    result[used++] = (char *)a->marker;
    for (size_t i = 0; i < count; i++)
        result[used++] = (char *)options->args[i];
    return result;
}

static const char *own_program(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        ct_fail(ct_file, ct_line, "cannot read /proc/self/exe: %s", strerror(errno));
    return ct_keep(path, (size_t)length);
}

struct ends {
    int in[2], out[2], err[2];
};

static void open_pipe(int ends[2], int flags)
{
    if (pipe2(ends, O_CLOEXEC | flags) != 0)
        ct_fail(ct_file, ct_line, "pipe: %s", strerror(errno));
    /* Large, so that an app does not block while the driver is busy with something else; not getting it does no harm. */
    (void)fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
}

static struct ends open_ends(const app_options *options)
{
    struct ends ends = {.in = {-1, -1}};
    if (options->control)
        open_pipe(ends.in, 0);
    else if ((ends.in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        ct_fail(ct_file, ct_line, "/dev/null: %s", strerror(errno));
    open_pipe(ends.out, 0);
    open_pipe(ends.err, options->stderr_packets ? O_DIRECT : 0);
    return ends;
}

/* CT_WRAPPER in the environment: a command, its words separated by blanks, that runs the app, valgrind for instance. */
static void execute_wrapped(const char *wrapper, const char *program, char **argv, char **envp)
{
    char words[4096], *all[128], *rest;
    size_t used = 0;
    snprintf(words, sizeof words, "%s", wrapper);
    for (char *word = strtok_r(words, " ", &rest); word && used < 60; word = strtok_r(NULL, " ", &rest))
        all[used++] = word;
    all[used++] = (char *)program;
    for (char **argument = argv + 1; *argument && used < 127; argument++)
        all[used++] = *argument;
    all[used] = NULL;
    execvpe(all[0], all, envp);
    dprintf(2, "harness: cannot execute %s: %s\n", all[0], strerror(errno));
    _exit(126);
}

/* In the new process. It starts as from a shell or as a service: no signal blocked, none ignored, three descriptors. */
static void become_app(const app_options *options, const struct ends *ends, const char *program, char **argv, char **envp)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < 65; number++)
        if (number != SIGKILL && number != SIGSTOP && number != 32 && number != 33)
            signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A session of its own, as a service has. Beside busy processes in the same session some kernels (6.18, with scheduling by session)
       let new processes wait for 10 s and more. */
    setsid();
    if (dup2(ends->in[0], 0) < 0 || dup2(ends->out[1], 1) < 0 || dup2(ends->err[1], 2) < 0)
        _exit(125);
    /* Descriptors that the driver's own caller left open are none of the app's. */
    for (int fd = 3; fd < 1024; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (options->directory && chdir(options->directory) != 0)
        _exit(125);
    if (options->before_exec)
        options->before_exec();
    if (getenv("CT_WRAPPER"))
        execute_wrapped(getenv("CT_WRAPPER"), program, argv, envp);
    execve(program, argv, envp);
    dprintf(2, "harness: cannot execute %s: %s\n", program, strerror(errno));
    _exit(126);
}

app *ct_new_app(void)
{
    if (app_count == CT_MAX_APPS)
        ct_fail(ct_file, ct_line, "more than %d apps in one test", CT_MAX_APPS);
    app *a = calloc(1, sizeof *a);
    if (!a || !(a->out.data = calloc(1, 1)) || !(a->err.data = calloc(1, 1)))
        ct_out_of_memory();
    snprintf(a->marker, sizeof a->marker, "%s%d", ct_marker_prefix, app_count);
    a->control_fd = a->pid_fd = a->out_fd = a->err_fd = -1;
    apps[app_count++] = a;
    return a;
}

app *ct_app_start(const app_options *options)
{
    app *a = ct_new_app();
    a->port = options->port ? options->port : free_port();
    a->keep_packets = options->stderr_packets;
    const char *program = options->program ? options->program : own_program();
    char **argv = build_arguments(options, a, program);
    char **envp = build_environment(options, a->marker);
    struct ends ends = open_ends(options);
    a->pid = fork();
    if (a->pid < 0)
        ct_fail(ct_file, ct_line, "fork: %s", strerror(errno));
    if (a->pid == 0)
        become_app(options, &ends, program, argv, envp);
    close(ends.in[0]);
    close(ends.out[1]);
    close(ends.err[1]);
    a->control_fd = ends.in[1];
    a->out_fd = ends.out[0];
    a->err_fd = ends.err[0];
    a->pid_fd = ct_pidfd_open(a->pid);
    if (a->pid_fd < 0)
        ct_fail(ct_file, ct_line, "pidfd_open: %s", strerror(errno));
    fcntl(a->out_fd, F_SETFL, fcntl(a->out_fd, F_GETFL) | O_NONBLOCK);
    fcntl(a->err_fd, F_SETFL, fcntl(a->err_fd, F_GETFL) | O_NONBLOCK);
    free(argv);
    free(envp);
    return a;
}

/* ---- collecting --------------------------------------------------------------------------------------------------- */

static void append(ct_text *text, const char *data, size_t size)
{
    if (text->size + size + 1 > text->room) {
        text->room = (text->size + size + 1) * 2;
        text->data = realloc(text->data, text->room);
        if (!text->data)
            ct_out_of_memory();
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

static void note_packet(app *a)
{
    size_t *more = realloc(a->packet_ends, (a->packets + 1) * sizeof *more);
    if (!more)
        ct_out_of_memory();
    a->packet_ends = more;
    a->packet_ends[a->packets++] = a->err.size;
}

static void read_stream(app *a, int *fd, ct_text *text)
{
    char buffer[16384];
    while (*fd >= 0) {
        ssize_t got = read(*fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close(*fd);
            *fd = -1;
            return;
        }
        append(text, buffer, (size_t)got);
        if (a->keep_packets && text == &a->err)
            note_packet(a);
    }
}

void ct_read_now(app *a)
{
    if (a->pid_fd >= 0 && waitpid(a->pid, &a->status, WNOHANG) == a->pid) {
        a->ended = true;
        close(a->pid_fd);
        a->pid_fd = -1;
    }
    /* After the look at its end: what it wrote before it ended is then complete. */
    read_stream(a, &a->out_fd, &a->out);
    read_stream(a, &a->err_fd, &a->err);
}

void ct_pump(int timeout_ms)
{
    struct pollfd waiting[CT_MAX_APPS * 3];
    nfds_t count = 0;
    for (int i = 0; i < app_count; i++) {
        waiting[count++] = (struct pollfd){.fd = apps[i]->out_fd, .events = POLLIN};
        waiting[count++] = (struct pollfd){.fd = apps[i]->err_fd, .events = POLLIN};
        waiting[count++] = (struct pollfd){.fd = apps[i]->pid_fd, .events = POLLIN};
    }
    (void)poll(waiting, count, timeout_ms);
    for (int i = 0; i < app_count; i++)
        ct_read_now(apps[i]);
}

void ct_each_app(void (*action)(app *a))
{
    for (int i = 0; i < app_count; i++)
        action(apps[i]);
}

static void print_status(const app *a)
{
    if (!a->ended)
        fprintf(stderr, "running");
    else if (WIFEXITED(a->status))
        fprintf(stderr, "exited with %d", WEXITSTATUS(a->status));
    else
        fprintf(stderr, "ended by signal %d", WTERMSIG(a->status));
}

void ct_print_app(app *a)
{
    fprintf(stderr, "--- app with pid %d, port %u: ", (int)a->pid, (unsigned)a->port);
    print_status(a);
    fprintf(stderr, "\n--- its stderr:\n%s--- its stdout:\n%s---\n", a->err.data, a->out.data);
}

/* ---- waiting ------------------------------------------------------------------------------------------------------ */

/* Counts the complete lines from `from` on that match; the last one that was counted goes to *found. */
static int count_lines(const ct_text *text, size_t from, const char *pattern, int enough, const char **found)
{
    int count = 0;
    const char *line = text->data + from, *end;
    while (count < enough && (end = strchr(line, '\n')) != NULL) {
        char *copy = strndup(line, (size_t)(end - line));
        if (!copy)
            ct_out_of_memory();
        if (ct_matches(copy, pattern)) {
            count++;
            if (found)
                *found = ct_keep(copy, strlen(copy));
        }
        free(copy);
        line = end + 1;
    }
    return count;
}

const char *ct_wait_line(app *a, const ct_text *text, size_t from, const char *pattern, int times)
{
    const char *stream = text == &a->err ? "stderr" : "stdout";
    int64_t end = ct_deadline(CT_WAIT_MS);
    for (;;) {
        const char *found = NULL;
        ct_read_now(a);
        int count = count_lines(text, from, pattern, times, &found);
        if (count >= times)
            return found ? found : "";
        if (a->ended && a->out_fd < 0 && a->err_fd < 0)
            ct_fail(ct_file, ct_line, "the app ended; on its %s \"%s\" came %d times, not %d", stream, pattern, count, times);
        int64_t left = end - ct_now_ms();
        if (left <= 0)
            ct_fail(ct_file, ct_line, "on the app's %s \"%s\" came %d times in time, not %d", stream, pattern, count, times);
        ct_pump((int)left);
    }
}

void ct_expect_count(app *a, const ct_text *text, size_t from, const char *pattern, int times)
{
    ct_read_now(a);
    int count = count_lines(text, from, pattern, 1 << 30, NULL);
    if (count != times)
        ct_fail(ct_file, ct_line, "expected: %d lines with \"%s\" on the app's %s, but there are %d", times, pattern,
                text == &a->err ? "stderr" : "stdout", count);
}

int app_count_err(app *a, const char *pattern)
{
    ct_read_now(a);
    return count_lines(&a->err, 0, pattern, 1 << 30, NULL);
}

int app_count_out(app *a, const char *pattern)
{
    ct_read_now(a);
    return count_lines(&a->out, 0, pattern, 1 << 30, NULL);
}

size_t app_mark_err(app *a)
{
    ct_read_now(a);
    return a->err.size;
}

size_t app_mark_out(app *a)
{
    ct_read_now(a);
    return a->out.size;
}

const char *app_packet(app *a, size_t index, size_t *size)
{
    ct_read_now(a);
    if (index >= a->packets)
        return NULL;
    size_t start = index == 0 ? 0 : a->packet_ends[index - 1];
    *size = a->packet_ends[index] - start;
    return a->err.data + start;
}

int ct_wait_exit(app *a, int ms)
{
    int64_t end = ct_deadline(ms);
    while (!a->ended) {
        int64_t left = end - ct_now_ms();
        if (left <= 0)
            ct_fail(ct_file, ct_line, "the app did not end in time");
        ct_pump((int)left);
    }
    ct_read_now(a);
    return a->status;
}

void ct_expect_exit(app *a, int code)
{
    int status = ct_wait_exit(a, CT_WAIT_MS);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        ct_fail(ct_file, ct_line, "expected: the app exits with %d, but see its end below", code);
}

void ct_app_stop(app *a)
{
    ct_read_now(a);
    if (!a->ended) /* else its number may belong to another process by now */
        kill(a->pid, SIGTERM);
    ct_expect_exit(a, 0);
    ct_expect_none_left(a);
}

void ct_app_kill(app *a)
{
    ct_read_now(a);
    if (!a->ended)
        kill(a->pid, SIGKILL);
    ct_wait_exit(a, CT_WAIT_MS);
}

/* ---- nothing may be left ------------------------------------------------------------------------------------------ */

void ct_expect_none_left(app *a)
{
    static pid_t pids[CT_MAX_PIDS];
    int count = app_processes(a, pids, CT_MAX_PIDS);
    if (count == 0)
        return;
    char text[512];
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < count && used < sizeof text - 12; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %d", (int)pids[i]);
    ct_fail(ct_file, ct_line, "expected: no process of the app is left, but there are %d:%s", count, text);
}

void ct_wait_none_left(app *a)
{
    static pid_t pids[CT_MAX_PIDS];
    int64_t end = ct_deadline(CT_WAIT_MS);
    while (app_processes(a, pids, CT_MAX_PIDS) > 0 && ct_now_ms() < end)
        ct_pump(10);
    ct_expect_none_left(a);
}
