/* The C driver of the scenarios: a cluster by ecewo-cluster.h that does what its arguments and commands say, and tells what happens to it. README.md
 * in this folder has the words; subject.rs is the same over the Rust interface. */
#define _GNU_SOURCE
#include "ecewo-cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIES_OF_SIGTERM = -1 };

static Cluster options;
static const char *folder = ".", *mode = "serve", *pause_at = "";
static int term_code = 0, rounds = 1;
static const char *early = "";
static bool asks_in_callback = false;
static sem_t may_go, may_listen, may_accept;
static volatile sig_atomic_t is_stubborn;

/* Each line is one write. */
static void say(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[size] = '\n';
    if (write(1, line, (size_t)size + 1) != size + 1)
        _exit(8);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) { /* a signal */
    }
}

static void start_thread(void *(*function)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, NULL) != 0)
        _exit(8);
}

static void read_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (!value)
            continue;
        size_t size = (size_t)(value++ - argv[i]);
        uint32_t number = (uint32_t)strtoul(value, NULL, 10);
#define IS(name) (size == sizeof name - 1 && strncmp(argv[i], name, size) == 0)
        if (IS("port"))
            options.port = (uint16_t)number;
        else if (IS("workers"))
            options.cpus = (uint8_t)number;
        else if (IS("respawn"))
            options.respawn = strcmp(value, "yes") == 0;
        else if (IS("shutdown-ms"))
            options.shutdown_timeout_ms = number;
        else if (IS("startup-ms"))
            options.worker_startup_delay_ms = number;
        else if (IS("respawn-ms"))
            options.worker_respawn_delay_ms = number;
        else if (IS("window-s"))
            options.respawn_window_sec = number;
        else if (IS("max-crashes"))
            options.respawn_max_crashes = (uint8_t)number;
        else if (IS("rounds"))
            rounds = (int)number;
        else if (IS("term"))
            term_code = strcmp(value, "none") == 0 ? DIES_OF_SIGTERM : (int)number;
        else if (IS("early"))
            early = value;
        else if (IS("callback"))
            asks_in_callback = strcmp(value, "asks") == 0;
        else if (IS("folder"))
            folder = value;
        else if (IS("mode"))
            mode = value;
        else if (IS("pause"))
            pause_at = value;
        else
            _exit(8);
#undef IS
    }
}

/* ---- what the interface answers --------------------------------------------------------------------------------- */

static bool is_all_zero(const void *place, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)place)[i] != 0)
            return false;
    return true;
}

/* contract 1.3, 1.5: without a master there are no statistics, and the places for them are zeros. */
static bool has_no_statistics(void)
{
    cluster_stats_t cluster;
    worker_stats_t worker, all[2];
    memset(&cluster, 'x', sizeof cluster);
    memset(&worker, 'x', sizeof worker);
    memset(all, 'x', sizeof all);
    return cluster_get_stats(&cluster) == 0 && cluster_get_worker_stats(0, &worker) == 0 && cluster_get_all_workers(all, 2) == 0 &&
           is_all_zero(&cluster, sizeof cluster) && is_all_zero(&worker, sizeof worker) && is_all_zero(all, sizeof all);
}

static bool has_statistics(void)
{
    cluster_stats_t cluster;
    worker_stats_t worker, all[UINT8_MAX];
    int count = cluster_worker_count();
    return cluster_get_stats(&cluster) == 1 && cluster.total_workers == count && cluster_get_all_workers(all, UINT8_MAX) == count &&
           cluster_get_worker_stats((uint8_t)(count - 1), &worker) == 1 && cluster_get_worker_stats((uint8_t)count, &worker) == 0;
}

/* What this process is, if all answers go together. */
static const char *part(void)
{
    if (cluster_is_master() && cluster_is_worker())
        return "WRONG: both";
    if (cluster_is_master()) {
        bool is_right = cluster_get_port() == options.port && cluster_worker_id() == 0 && cluster_worker_count() > 0 && has_statistics();
        return is_right ? "master" : "WRONG: answers of a master";
    }
    if (!has_no_statistics())
        return "WRONG: statistics without a master";
    if (cluster_is_worker())
        return cluster_worker_id() < cluster_worker_count() ? "worker" : "WRONG: answers of a worker";
    return cluster_get_port() == 0 && cluster_worker_id() == 0 && cluster_worker_count() == 0 ? "idle" : "WRONG: answers of nobody";
}

static const char *yes_or_no(bool is_so)
{
    return is_so ? "yes" : "no";
}

static const char *cluster_text(char *text, size_t size)
{
    cluster_stats_t now;
    if (cluster_get_stats(&now) != 1)
        return "none";
    snprintf(text, size, "total %u active %u crashed %u disabled %u shutdown %s restart %s restarts %llu", now.total_workers, now.active_workers,
             now.crashed_workers, now.disabled_workers, yes_or_no(now.shutdown_requested), yes_or_no(now.restart_requested),
             (unsigned long long)now.total_restarts);
    return text;
}

static const char *worker_text(uint8_t id, char *text, size_t size)
{
    static const char *const statuses[] = {"starting", "active", "stopping", "crashed", "respawning", "disabled"};
    worker_stats_t now;
    if (cluster_get_worker_stats(id, &now) != 1)
        return "none";
    snprintf(text, size, "%u %d %u %s %lld %lld %d %u %s", now.worker_id, now.pid, now.port, statuses[now.status], (long long)now.start_time,
             (long long)now.uptime_seconds, now.exit_status, now.crash_count, yes_or_no(now.respawn_disabled));
    return text;
}

static void say_event(const char *what, uint8_t id)
{
    char worker[200], cluster[200];
    say("m %s | %s | %s", what, worker_text(id, worker, sizeof worker), cluster_text(cluster, sizeof cluster));
}

static void on_start(uint8_t id)
{
    char text[50];
    snprintf(text, sizeof text, "start %u", id);
    say_event(text, id);
}

static void on_exit_of_worker(uint8_t id, int status, bool is_crash)
{
    char text[50];
    snprintf(text, sizeof text, "exit %u %d %s", id, status, is_crash ? "crash" : "graceful");
    say_event(text, id);
    if (asks_in_callback && is_crash) {
        char *argv[] = {(char[]){"again"}, NULL};
        bool is_begun = cluster_init(&options, 1, argv);
        say("m %s: %s", is_begun ? "begun" : "failed", part());
        cluster_signal_workers(SIGCONT); /* nothing comes of it */
        cluster_graceful_restart();
    }
}

/* ---- the master ------------------------------------------------------------------------------------------------- */

static int status_of_a_child(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(5);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void set_descriptor_limit(rlim_t most)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void *obey(void *unused)
{
    char line[100], text[200];
    (void)unused;
    while (fgets(line, sizeof line, stdin)) {
        int number = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "worker %d", &number) == 1) {
            say("a %s", worker_text((uint8_t)number, text, sizeof text));
        } else if (sscanf(line, "signal %d", &number) == 1) {
            cluster_signal_workers(number);
            say("a asked");
        } else if (sscanf(line, "descriptors %d", &number) == 1) {
            set_descriptor_limit((rlim_t)number);
            say("a asked");
        } else if (strcmp(line, "cluster") == 0) {
            say("a %s", cluster_text(text, sizeof text));
        } else if (strcmp(line, "restart") == 0) {
            cluster_graceful_restart();
            say("a asked");
        } else if (strcmp(line, "stop") == 0) {
            cluster_signal_workers(SIGTERM);
            say("a asked");
        } else if (strcmp(line, "init") == 0) {
            char *argv[] = {(char[]){"again"}, NULL};
            bool is_begun = cluster_init(&options, 1, argv);
            say("a %s: %s", is_begun ? "begun" : "failed", part());
        } else if (strcmp(line, "child") == 0) {
            say("a %d", status_of_a_child());
        } else if (strcmp(line, "go") == 0) {
            say("a gone"); /* before this process may end of it */
            sem_post(&may_go);
        } else {
            _exit(8);
        }
    }
    /* Whoever tests this is gone. */
    if (!cluster_is_master())
        _exit(9);
    cluster_signal_workers(SIGTERM);
    return NULL;
}

static void pause_before(const char *place)
{
    if (strcmp(pause_at, place) == 0)
        wait_for(&may_go);
}

/* ---- a worker --------------------------------------------------------------------------------------------------- */

static void worker_says(const char *what)
{
    say("w %u %d %s", cluster_worker_id(), (int)getpid(), what);
}

static void on_sigusr1(int number)
{
    int saved = errno;
    (void)number;
    worker_says("got 10"); /* vsnprintf of numbers and words: nothing is allocated */
    errno = saved;
}

static void on_sigterm(int number)
{
    (void)number;
    if (!is_stubborn)
        _exit(term_code);
}

static void install(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(number, &action, NULL);
}

/* The channel is the only Unix SOCK_SEQPACKET socket of a worker. */
static void talk_nonsense(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
            send(fd, "nonsense", 8, MSG_NOSIGNAL);
    }
}

static void *obey_in_worker(void *socket)
{
    char line[100];
    for (;;) {
        int number = 0;
        ssize_t size = recv(*(int *)socket, line, sizeof line - 1, 0);
        if (size < 0)
            continue;
        line[size] = '\0';
        if (sscanf(line, "exit %d", &number) == 1) {
            _exit(number);
        } else if (strcmp(line, "listen") == 0) {
            sem_post(&may_listen);
        } else if (strcmp(line, "accept") == 0) {
            sem_post(&may_accept);
        } else if (strcmp(line, "stubborn") == 0) {
            is_stubborn = 1;
            worker_says("stubborn");
        } else if (strcmp(line, "fault") == 0) {
            *(volatile char *)8 = 1;
        } else if (strcmp(line, "nonsense") == 0) {
            talk_nonsense();
        } else if (strcmp(line, "init") == 0) {
            char *argv[] = {(char[]){"again"}, NULL}, text[100];
            bool is_begun = cluster_init(&options, 1, argv);
            snprintf(text, sizeof text, "%s: %s", is_begun ? "begun" : "failed", part());
            worker_says(text);
        } else {
            _exit(8);
        }
    }
    return NULL;
}

/* Commands for this worker come as datagrams to its own socket. */
static void hear_commands(void)
{
    static int commands;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/%d", folder, (int)getpid());
    commands = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(commands, (struct sockaddr *)&name, sizeof name) != 0)
        _exit(8);
    pthread_t thread;
    if (pthread_create(&thread, NULL, obey_in_worker, &commands) != 0)
        _exit(8);
}

static void answer(int connection)
{
    char request[1024], text[200];
    size_t size = 0;
    ssize_t count = 1;
    do {
        count = read(connection, request + size, sizeof request - 1 - size);
        size += count > 0 ? (size_t)count : 0;
        request[size] = '\0';
    } while (count > 0 && size < sizeof request - 1 && !strstr(request, "\r\n\r\n"));
    if (strstr(request, "\r\n\r\n")) {
        char body[50];
        int length = snprintf(body, sizeof body, "%u %d", cluster_worker_id(), (int)getpid());
        length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", length, body);
        if (write(connection, text, (size_t)length) != length)
            worker_says("lost a client");
    }
    close(connection);
}

static void serve(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(cluster_get_port()), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char manual[200];
    snprintf(manual, sizeof manual, "%s/manual", folder);
    bool is_manual = access(manual, F_OK) == 0;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (is_manual)
        wait_for(&may_listen);
    worker_says("about to listen");
    if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0 || listen(listener, 64) != 0)
        _exit(4);
    worker_says("listening");
    if (is_manual)
        wait_for(&may_accept);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0)
            answer(connection);
    }
}

static void work(void)
{
    char text[100];
    install(SIGUSR1, on_sigusr1);
    if (term_code != DIES_OF_SIGTERM)
        install(SIGTERM, on_sigterm);
    hear_commands();
    snprintf(text, sizeof text, "born: %s, port %u of %u", part(), cluster_get_port(), cluster_worker_count());
    worker_says(text);
    if (strcmp(mode, "jobs") != 0)
        serve();
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    options.on_start = on_start;
    options.on_exit = on_exit_of_worker;
    read_arguments(argc, argv);
    bool is_started_as_worker = getenv("ECEWO_WORKER_ID") != NULL, is_again = getenv("SCENARIO_AGAIN") != NULL;
    if (is_started_as_worker && strcmp(early, "exit") == 0)
        return 0;
    if (is_started_as_worker && strcmp(early, "exec") == 0 && setenv("SCENARIO_AGAIN", "yes", 0) == 0 && !is_again)
        execv("/proc/self/exe", argv);
    sem_init(&may_go, 0, 0);
    sem_init(&may_listen, 0, 0);
    sem_init(&may_accept, 0, 0);
    if (!is_started_as_worker)
        start_thread(obey);
    for (int round = 0; round < rounds; round++) {
        if (!is_started_as_worker || strcmp(part(), "idle") != 0)
            say("m before: %s", part());
        if (!is_started_as_worker)
            pause_before("init");
        bool is_master = cluster_init(&options, argc, argv);
        if (cluster_is_worker())
            work();
        if (!is_master) {
            say("m failed: %s", part());
            return 3;
        }
        say("m up: %s", part());
        pause_before("wait");
        cluster_wait_workers();
        say("m end: %s", part());
        pause_before("end");
    }
    return 0;
}
