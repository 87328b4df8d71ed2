/*
 * Asking the master: the driver writes a command to the app's stdin, a thread of the master carries it out and answers with one
 * line on stdout, "ctl#<number> <answer>". Statistics, signals and restarts may be asked for from any thread (contract 4.2).
 */
#include "internal.h"
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- in the program under test ------------------------------------------------------------------------------------ */

static control_handler *own_handler = NULL;

uint16_t app_port(char **argv)
{
    return (uint16_t)atoi(argv[2]);
}

void say(const char *format, ...)
{
    char line[4096];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (length < 0)
        return;
    if ((size_t)length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    while (write(STDOUT_FILENO, line, (size_t)length) < 0 && errno == EINTR)
        ;
}

static void answer_stats(char *answer, size_t size)
{
    cluster_stats_t s;
    memset(&s, 0xee, sizeof s); /* a getter has to write it, also when it fails */
    int result = cluster_get_stats(&s);
    snprintf(answer, size, "ret=%d total=%u active=%u crashed=%u disabled=%u shutdown=%d restart=%d restarts=%llu", result,
             s.total_workers, s.active_workers, s.crashed_workers, s.disabled_workers, s.shutdown_requested,
             s.restart_requested, (unsigned long long)s.total_restarts);
}

static void answer_worker(int worker_id, char *answer, size_t size)
{
    worker_stats_t w;
    memset(&w, 0xee, sizeof w);
    int result = cluster_get_worker_stats((uint8_t)worker_id, &w);
    snprintf(answer, size, "ret=%d id=%u pid=%d port=%u status=%d start=%lld uptime=%lld exit=%d crashes=%u disabled=%d", result,
             w.worker_id, w.pid, w.port, (int)w.status, (long long)w.start_time, (long long)w.uptime_seconds, w.exit_status,
             w.crash_count, w.respawn_disabled);
}

static void answer_all(int room, char *answer, size_t size)
{
    static worker_stats_t all[256];
    int count = cluster_get_all_workers(all, room);
    size_t used = (size_t)snprintf(answer, size, "ret=%d workers=", count);
    for (int i = 0; i < count && i < 256 && used < size; i++)
        used += (size_t)snprintf(answer + used, size - used, "%u:%d:%d,", all[i].worker_id, all[i].pid, (int)all[i].status);
}

static void answer_command(const char *command, char *answer, size_t size)
{
    int number = 0;
    if (own_handler && own_handler(command, answer, size))
        return;
    if (strcmp(command, "stats") == 0) {
        answer_stats(answer, size);
    } else if (sscanf(command, "worker %d", &number) == 1) {
        answer_worker(number, answer, size);
    } else if (sscanf(command, "all %d", &number) == 1) {
        answer_all(number, answer, size);
    } else if (sscanf(command, "signal %d", &number) == 1) {
        cluster_signal_workers(number);
        snprintf(answer, size, "done");
    } else if (strcmp(command, "restart") == 0) {
        cluster_graceful_restart();
        snprintf(answer, size, "done");
    } else if (strcmp(command, "identity") == 0) {
        snprintf(answer, size, "master=%d worker=%d id=%u count=%u port=%u", cluster_is_master(), cluster_is_worker(),
                 cluster_worker_id(), cluster_worker_count(), cluster_get_port());
    } else {
        snprintf(answer, size, "unknown command");
    }
}

/* Waits in poll, for in that a signal's handler runs at once, under ThreadSanitizer, too: in fgets it would wait there for the next line. */
static char *next_line(char *line, int size)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, -1) == -1 && errno == EINTR) {
    }
    return fgets(line, size, stdin);
}

static void *control_thread(void *unused)
{
    (void)unused;
    char line[512];
    setvbuf(stdin, NULL, _IONBF, 0); /* poll does not know of lines in a buffer */
    while (next_line(line, sizeof line)) {
        unsigned number = 0;
        int command = 0;
        char answer[3900] = "";
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "#%u %n", &number, &command) != 1)
            continue;
        answer_command(line + command, answer, sizeof answer);
        say("ctl#%u %s", number, answer);
    }
    return NULL;
}

void control_start(control_handler *handler)
{
    pthread_t thread;
    if (getenv("ECEWO_WORKER_ID"))
        return; /* a worker: it has no commands, and tests compare its threads and descriptors */
    own_handler = handler;
    if (pthread_create(&thread, NULL, control_thread, NULL) == 0)
        pthread_detach(thread);
}

int app_serve(const Cluster *options, int argc, char **argv)
{
    control_start(own_handler);
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
    return server_serve(cluster_get_port());
}

/* ---- in the driver ------------------------------------------------------------------------------------------------ */

const char *ct_app_ctl(app *a, const char *format, ...)
{
    char command[480], line[512], pattern[32];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    if (a->control_fd < 0)
        ct_fail(ct_file, ct_line, "this app was started without .control = true");
    unsigned number = ++a->control_number;
    int length = snprintf(line, sizeof line, "#%u %s\n", number, command);
    size_t mark = app_mark_out(a);
    if (write(a->control_fd, line, (size_t)length) != length)
        ct_fail(ct_file, ct_line, "cannot send \"%s\" to the master: %s", command, strerror(errno));
    snprintf(pattern, sizeof pattern, "ctl#%u ", number);
    const char *answer = ct_wait_line(a, &a->out, mark, pattern, 1);
    return strstr(answer, pattern) + strlen(pattern);
}

long long ctl_field(const char *answer, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = answer; (at = strstr(at, name)) != NULL; at += length)
        if ((at == answer || at[-1] == ' ') && at[length] == '=')
            return strtoll(at + length + 1, NULL, 10);
    ct_fail(ct_file, ct_line, "no field %s in the answer \"%s\"", name, answer);
}

int app_get_stats(app *a, cluster_stats_t *stats)
{
    const char *answer = ct_app_ctl(a, "stats");
    stats->total_workers = (uint8_t)ctl_field(answer, "total");
    stats->active_workers = (uint8_t)ctl_field(answer, "active");
    stats->crashed_workers = (uint8_t)ctl_field(answer, "crashed");
    stats->disabled_workers = (uint8_t)ctl_field(answer, "disabled");
    stats->shutdown_requested = ctl_field(answer, "shutdown") != 0;
    stats->restart_requested = ctl_field(answer, "restart") != 0;
    stats->total_restarts = (uint64_t)ctl_field(answer, "restarts");
    return (int)ctl_field(answer, "ret");
}

int app_get_worker(app *a, int worker_id, worker_stats_t *stats)
{
    const char *answer = ct_app_ctl(a, "worker %d", worker_id);
    stats->worker_id = (uint8_t)ctl_field(answer, "id");
    stats->pid = (int)ctl_field(answer, "pid");
    stats->port = (uint16_t)ctl_field(answer, "port");
    stats->status = (worker_status_t)ctl_field(answer, "status");
    stats->start_time = (time_t)ctl_field(answer, "start");
    stats->uptime_seconds = (time_t)ctl_field(answer, "uptime");
    stats->exit_status = (int)ctl_field(answer, "exit");
    stats->crash_count = (uint8_t)ctl_field(answer, "crashes");
    stats->respawn_disabled = ctl_field(answer, "disabled") != 0;
    return (int)ctl_field(answer, "ret");
}

pid_t app_worker_pid(app *a, int worker_id)
{
    worker_stats_t worker;
    return app_get_worker(a, worker_id, &worker) ? worker.pid : 0;
}

void ct_wait_status(app *a, int worker_id, worker_status_t status)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    worker_stats_t worker;
    while (!app_get_worker(a, worker_id, &worker) || worker.status != status) {
        if (ct_now_ms() >= end)
            ct_fail(ct_file, ct_line, "worker %d got not to status %d in time, it is at %d", worker_id, (int)status,
                    (int)worker.status);
        ct_pump(10);
    }
}

pid_t ct_wait_new_pid(app *a, int worker_id, pid_t old)
{
    int64_t end = ct_deadline(CT_WAIT_MS);
    worker_stats_t worker;
    while (!app_get_worker(a, worker_id, &worker) || worker.pid == 0 || worker.pid == old || worker.status == WORKER_STARTING) {
        if (ct_now_ms() >= end)
            ct_fail(ct_file, ct_line, "worker %d got no new process in time, its pid is %d", worker_id, worker.pid);
        ct_pump(10);
    }
    return worker.pid;
}
