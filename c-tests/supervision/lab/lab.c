/* The workers, the record of the callbacks, and the gates; see lab.h. */
#include "lab.h"
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TELL_SIGNAL 40 /* a real-time signal: it carries a number */

/* ---- in the program under test ------------------------------------------------------------------------------------ */

void lab_on_start(uint8_t worker_id)
{
    say("event start %u @%lld", worker_id, (long long)ct_now_ms());
}

void lab_on_exit(uint8_t worker_id, int exit_status, bool is_crash)
{
    say("event exit %u %d %s @%lld", worker_id, exit_status, is_crash ? "crash" : "graceful", (long long)ct_now_ms());
}

int lab_main(const Cluster *options, int argc, char **argv, int (*worker)(void))
{
    control_start(NULL);
    if (cluster_init(options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        say("master done");
        return 0;
    }
    if (!cluster_is_worker()) {
        say("init failed");
        return 3;
    }
    return worker();
}

static void on_tell(int number, siginfo_t *info, void *context)
{
    int code = info->si_value.sival_int;
    (void)number;
    (void)context;
    if (code < 1000)
        _exit(code);
    signal(code - 1000, SIG_DFL);
    raise(code - 1000);
}

static void on_signal(int number)
{
    say("worker %u got %d", cluster_worker_id(), number);
}

void lab_obey(void)
{
    struct sigaction tell = {.sa_sigaction = on_tell, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(TELL_SIGNAL, &tell, NULL);
    signal(SIGUSR1, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGWINCH, on_signal);
}

void lab_obey_stubbornly(void)
{
    lab_obey();
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
}

void lab_sleep_for_ever(void)
{
    for (;;)
        pause();
}

int plain_listen(const char *address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    inet_pton(AF_INET, address, &name.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(fd, 128) != 0) {
        say("worker %u cannot listen: %s", cluster_worker_id(), strerror(errno));
        _exit(4);
    }
    return fd;
}

int plain_worker(void)
{
    lab_obey();
    plain_listen("0.0.0.0", cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

int stubborn_worker(void)
{
    lab_obey_stubbornly();
    plain_listen("0.0.0.0", cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

static volatile sig_atomic_t told_to_end = 0;

static void note_end(int number)
{
    (void)number;
    told_to_end = 1;
}

int tidy_worker(void)
{
    sigset_t none, end;
    sigemptyset(&none);
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL); /* it comes in sigsuspend alone, which returns when every handler has run */
    signal(SIGTERM, note_end);
    lab_obey();
    plain_listen("0.0.0.0", cluster_get_port());
    say("worker %u listening", cluster_worker_id());
    while (!told_to_end)
        sigsuspend(&none);
    return 0;
}

int lab_worker_id(void)
{
    const char *id = getenv("ECEWO_WORKER_ID");
    return id ? atoi(id) : -1;
}

bool gate_is_open(const char *name)
{
    char path[512];
    const char *folder = getenv("CT_FOLDER");
    CHECK_MSG(folder != NULL, "gates need .env = lab_env()");
    snprintf(path, sizeof path, "%s/gate-%s", folder, name);
    return access(path, F_OK) == 0;
}

void gate_wait(const char *name)
{
    while (!gate_is_open(name))
        nanosleep(&(struct timespec){.tv_nsec = 5 * 1000000}, NULL);
}

/* ---- in the driver ------------------------------------------------------------------------------------------------ */

/* The next line of the record from `at` on; its text goes to *text, without the time. NULL if there is none. */
static const char *next_event(const char *at, char *text, size_t size, int64_t *ms)
{
    static const char start[] = "event ";
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        const char *time = memchr(at, '@', (size_t)(end - at));
        if (strncmp(at, start, sizeof start - 1) != 0 || !time)
            continue;
        at += sizeof start - 1;
        snprintf(text, size, "%.*s", (int)(time - 1 - at), at);
        *ms = strtoll(time + 1, NULL, 10);
        return end + 1;
    }
    return NULL;
}

const char *lab_events(app *a)
{
    static char events[64 * 1024];
    char text[64];
    size_t used = 0;
    int64_t ms = 0;
    ct_pump(0);
    events[0] = '\0';
    for (const char *at = a->out.data; (at = next_event(at, text, sizeof text, &ms)) != NULL;)
        used += (size_t)snprintf(events + used, sizeof events - used, "%s%s", used ? "; " : "", text);
    return events;
}

void lab_wait_for_events(app *a, const char *expected)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    const char *events;
    while (strcmp(events = lab_events(a), expected) != 0) {
        if (strncmp(events, expected, strlen(events)) != 0 || ct_now_ms() >= end || a->ended)
            ct_fail(ct_file, ct_line, "expected these callbacks: \"%s\"; but they are \"%s\"", expected, events);
        ct_pump(10);
    }
}

void lab_send_order(app *a, int signal)
{
    if (dprintf(a->control_fd, "#%u signal %d\n", ++a->control_number, signal) < 0)
        ct_fail(ct_file, ct_line, "cannot send an order to the master: %s", strerror(errno));
}

int64_t lab_event_ms(app *a, int index)
{
    char text[64];
    int64_t ms = 0;
    const char *at = a->out.data;
    for (int i = 0; i <= index; i++) {
        at = next_event(at, text, sizeof text, &ms);
        CHECK_MSG(at != NULL, "there is no event number %d in \"%s\"", index, lab_events(a));
    }
    return ms;
}

static void send_value(pid_t pid, int signal, int value)
{
    if (pid <= 1 || sigqueue(pid, signal, (union sigval){.sival_int = value}) != 0)
        ct_fail(ct_file, ct_line, "cannot send signal %d to pid %d: %s", signal, (int)pid, strerror(errno));
}

void lab_tell_worker(pid_t pid, int code)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    /* It may have been started this moment. */
    while (!proc_catches(pid, TELL_SIGNAL)) {
        if (ct_now_ms() >= end)
            ct_fail(ct_file, ct_line, "the worker with pid %d is not there to be told", (int)pid);
        ct_pump(10);
    }
    send_value(pid, TELL_SIGNAL, code);
}

pid_t lab_kill_worker(app *a, int worker_id, int signal)
{
    pid_t pid = app_worker_pid(a, worker_id);
    send_value(pid, signal, 0);
    return pid;
}

pid_t lab_wait_for_new_pid(app *a, int worker_id, pid_t old)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    worker_stats_t worker;
    while (!app_get_worker(a, worker_id, &worker) || worker.status != WORKER_ACTIVE || worker.pid == old) {
        if (ct_now_ms() >= end)
            ct_fail(ct_file, ct_line, "worker %d got no new process in time: pid %d, status %d", worker_id, worker.pid,
                    (int)worker.status);
        ct_pump(10);
    }
    return worker.pid;
}

void lab_wait_listening(app *a, int workers)
{
    for (int id = 0; id < workers; id++) {
        char pattern[64];
        snprintf(pattern, sizeof pattern, "re:^worker %d listening$", id);
        app_wait_out(a, pattern);
    }
}

int lab_wait_for_orphan(pid_t pid)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) != pid) {
        if (ct_now_ms() >= end)
            ct_fail(ct_file, ct_line, "the orphan with pid %d did not end in time", (int)pid);
        ct_pump(10);
    }
    return status;
}

void lab_wait_for(int64_t ms)
{
    for (int64_t end = ct_now_ms() + ms, left; (left = end - ct_now_ms()) > 0;)
        ct_pump((int)left);
}

void lab_wait_for_restart(app *a)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    cluster_stats_t stats;
    while (app_get_stats(a, &stats) != 1 || stats.restart_requested) {
        if (ct_now_ms() >= end)
            ct_fail(ct_file, ct_line, "the restart did not end in time");
        ct_pump(10);
    }
}

void gate_open(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/gate-%s", lab_folder(), name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    CHECK_MSG(fd >= 0, "cannot make %s: %s", path, strerror(errno));
    close(fd);
}
