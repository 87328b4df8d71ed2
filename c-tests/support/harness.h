/*
 * The test harness. harness.md explains how a test is written; this header is the list of what there is.
 *
 * One test is one C file and one executable. Started without arguments it is the driver: it calls test_main(). The driver
 * starts the same executable as the clustered program, which calls app_main(); the library starts that one again as workers.
 *
 * Every wait here has a deadline (CT_WAIT_MS). A wait that is not fulfilled, like a CHECK that does not hold, prints where it
 * stands in the test, what was expected, and all that the program under test has written; then the test ends as failed.
 */
#ifndef CT_HARNESS_H
#define CT_HARNESS_H

#include "ecewo-cluster.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- what the test file supplies --------------------------------------------------------------------------------- */

void test_main(void);
/* `variant` is what stands after "app:" in argv[1]; the port to use is app_port(argv). */
int app_main(int argc, char **argv, const char *variant);

/* ---- checks, for the driver and for the program under test -------------------------------------------------------- */

#define CT_WAIT_MS 10000 /* the deadline of every wait (times the environment's CT_TIME_FACTOR) */
#define CT_CHECK_FAILED 99 /* the exit code of an app process in which a CHECK did not hold */

#define CHECK(condition) ((condition) ? (void)0 : ct_fail(__FILE__, __LINE__, "expected: %s", #condition))
#define CHECK_MSG(condition, ...) ((condition) ? (void)0 : ct_fail(__FILE__, __LINE__, __VA_ARGS__))
/* CHECK_INT(actual, ==, expected): both values are printed when it does not hold. */
#define CHECK_INT(actual, op, expected)                                                                                  \
    do {                                                                                                                 \
        long long ct_a = (long long)(actual), ct_b = (long long)(expected);                                              \
        if (!(ct_a op ct_b))                                                                                             \
            ct_fail(__FILE__, __LINE__, "expected: %s %s %s, but it is %lld (and not %s %lld)", #actual, #op, #expected,      \
                    ct_a, #op, ct_b);                                                                                    \
    } while (0)
#define CHECK_STR(actual, expected) ct_check_str(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_MATCH(text, pattern) ct_check_match(__FILE__, __LINE__, #text, (text), (pattern))
#define FAIL(...) ct_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Waits until the condition holds; looks again whenever the app wrote something, and every 10 ms. Driver only. */
#define WAIT_UNTIL(condition)                                                                                            \
    do {                                                                                                                 \
        int64_t ct_end = ct_deadline(CT_WAIT_MS);                                                                        \
        while (!(condition)) {                                                                                           \
            if (ct_now_ms() >= ct_end)                                                                                   \
                ct_fail(__FILE__, __LINE__, "waited in vain until: %s", #condition);                                     \
            ct_pump(10);                                                                                                 \
        }                                                                                                                \
    } while (0)

int64_t ct_now_ms(void);         /* monotonic */
int64_t ct_deadline(int64_t ms); /* now + ms (times the factor), at most the end of the test's time */
void ct_pump(int timeout_ms);    /* read what the apps wrote; wait at most so long for something */
void ct_fail(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));
void ct_check_str(const char *file, int line, const char *what, const char *actual, const char *expected);
void ct_check_match(const char *file, int line, const char *what, const char *text, const char *pattern);
/* True if a line of `text` matches: as a part of the line, or after "re:" as a POSIX extended regular expression. */
bool ct_matches(const char *text, const char *pattern);

/* The whole test's time; 60 s unless told. */
void test_time_limit(int seconds);
/* Heading for what follows, printed with a failure. For tests with several cases in one file. */
void test_case(const char *name);

/* ---- driver: the program under test ------------------------------------------------------------------------------- */

typedef struct {
    const char *variant;        /* argv[1] is "app:<variant>" */
    uint16_t port;              /* 0: a free one */
    bool control;               /* the master's stdin takes commands (app_ctl); else it is /dev/null */
    const char *const *args;    /* more arguments, from argv[4] on; ends with NULL */
    const char *const *env;     /* "NAME=value", or "NAME" to remove it; ends with NULL */
    const char *directory;      /* working directory */
    const char *program;        /* another file to execute than this test's own, e.g. a copy of it (copy_program) */
    bool foreign;               /* .program is no test: it gets the marker as its only argument, and .args */
    void (*before_exec)(void);  /* runs in the new process before exec: limits, signals, user ids */
    bool stderr_packets;        /* keep the borders between the single writes to stderr, see app_packet */
} app_options;

typedef struct {
    char *data; /* ends with NUL */
    size_t size, room;
} ct_text;

typedef struct {
    pid_t pid; /* of the master */
    uint16_t port;
    char marker[64]; /* in argv[3] and in the environment of each of its processes */
    ct_text out, err;
    bool ended;
    int status; /* as from waitpid, once ended */
    int out_fd, err_fd, control_fd, pid_fd;
    unsigned control_number;
    size_t *packet_ends;
    size_t packets;
    bool keep_packets;
} app;

/* These macros note the place in the test, so that a failure inside names it. */
#define app_start(...) (ct_here(__FILE__, __LINE__), ct_app_start(&(app_options){__VA_ARGS__}))
#define app_wait_err(a, pattern) (ct_here(__FILE__, __LINE__), ct_wait_line(a, &(a)->err, 0, pattern, 1))
#define app_wait_out(a, pattern) (ct_here(__FILE__, __LINE__), ct_wait_line(a, &(a)->out, 0, pattern, 1))
#define app_wait_err_times(a, pattern, n) (ct_here(__FILE__, __LINE__), ct_wait_line(a, &(a)->err, 0, pattern, n))
#define app_wait_out_times(a, pattern, n) (ct_here(__FILE__, __LINE__), ct_wait_line(a, &(a)->out, 0, pattern, n))
#define app_wait_err_since(a, mark, pattern) (ct_here(__FILE__, __LINE__), ct_wait_line(a, &(a)->err, mark, pattern, 1))
#define app_wait_out_since(a, mark, pattern) (ct_here(__FILE__, __LINE__), ct_wait_line(a, &(a)->out, mark, pattern, 1))
#define app_expect_err_count(a, pattern, n) (ct_here(__FILE__, __LINE__), ct_expect_count(a, &(a)->err, 0, pattern, n))
#define app_expect_out_count(a, pattern, n) (ct_here(__FILE__, __LINE__), ct_expect_count(a, &(a)->out, 0, pattern, n))
#define app_expect_no_err_since(a, mark, pattern)                                                                        \
    (ct_here(__FILE__, __LINE__), ct_expect_count(a, &(a)->err, mark, pattern, 0))
#define app_expect_exit(a, code) (ct_here(__FILE__, __LINE__), ct_expect_exit(a, code))
#define app_wait_exit(a) (ct_here(__FILE__, __LINE__), ct_wait_exit(a, CT_WAIT_MS))
#define app_stop(a) (ct_here(__FILE__, __LINE__), ct_app_stop(a))
#define app_kill(a) (ct_here(__FILE__, __LINE__), ct_app_kill(a))
#define app_expect_none_left(a) (ct_here(__FILE__, __LINE__), ct_expect_none_left(a))
#define app_wait_none_left(a) (ct_here(__FILE__, __LINE__), ct_wait_none_left(a))

void ct_here(const char *file, int line);
extern const char *ct_file; /* the place that was noted last, for helpers that fail on behalf of their caller */
extern int ct_line;
app *ct_app_start(const app_options *options);
const char *ct_wait_line(app *a, const ct_text *text, size_t from, const char *pattern, int times);
void ct_expect_count(app *a, const ct_text *text, size_t from, const char *pattern, int times);
void ct_expect_exit(app *a, int code);
int ct_wait_exit(app *a, int ms);
void ct_app_stop(app *a);          /* SIGTERM to the master, exit code 0 expected, no process left */
void ct_app_kill(app *a);          /* SIGKILL to the master; its workers are the library's affair */
void ct_expect_none_left(app *a);  /* no process of the app lives at this moment */
void ct_wait_none_left(app *a);    /* the same within the deadline */

size_t app_mark_err(app *a); /* the present end of its stderr, for the _since forms */
size_t app_mark_out(app *a);
int app_count_err(app *a, const char *pattern); /* lines that match so far */
int app_count_out(app *a, const char *pattern);
const char *app_packet(app *a, size_t index, size_t *size); /* the index-th write to stderr, NULL if there is none */

/* A copy of this test's executable in a folder of its own, which is removed at the end; gives the copy's path. */
const char *copy_program(void);
const char *temp_folder(void); /* a new folder, removed at the end with everything in it */

uint16_t free_port(void); /* nobody listens on it and no other test gets it while this one runs */

/* ---- driver: asking the master (needs .control = true and control_start in the app) ------------------------------- */

/* Sends a command to the master's control thread and gives its answer. Commands: stats, worker N, all SIZE, signal N, restart,
   identity, and what the test's own handler knows. */
#define app_ctl(a, ...) (ct_here(__FILE__, __LINE__), ct_app_ctl(a, __VA_ARGS__))
const char *ct_app_ctl(app *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
long long ctl_field(const char *answer, const char *name); /* the number after "name=" */

int app_get_stats(app *a, cluster_stats_t *stats);
int app_get_worker(app *a, int worker_id, worker_stats_t *stats);
pid_t app_worker_pid(app *a, int worker_id);
#define app_wait_status(a, id, status) (ct_here(__FILE__, __LINE__), ct_wait_status(a, id, status))
/* Waits until another process than `old` runs in the slot (past WORKER_STARTING) and gives its pid. */
#define app_wait_new_pid(a, id, old) (ct_here(__FILE__, __LINE__), ct_wait_new_pid(a, id, old))
void ct_wait_status(app *a, int worker_id, worker_status_t status);
pid_t ct_wait_new_pid(app *a, int worker_id, pid_t old);

/* ---- driver: processes -------------------------------------------------------------------------------------------- */

int app_processes(app *a, pid_t *pids, int room); /* all that live (no zombies), the master included */
int app_children(app *a, pid_t *pids, int room);  /* the master's living children */
bool proc_alive(pid_t pid);                       /* exists and is no zombie */
char proc_state(pid_t pid);                       /* 'R', 'S', 'T', 'Z' ...; 0 if there is no such process */
bool proc_read(pid_t pid, const char *file, char *buffer, size_t size, size_t *length); /* /proc/<pid>/<file> */
bool proc_status_field(pid_t pid, const char *name, char *value, size_t size); /* a line of /proc/<pid>/status */
bool proc_catches(pid_t pid, int signal); /* has it a handler for this signal? */
bool proc_ignores(pid_t pid, int signal);
int proc_listeners(uint16_t port); /* how many IPv4 sockets listen on this port, whoever has them */

/* For .before_exec: root becomes a user of no rights (but to read the program's file, wherever it is); another user stays. Every
   driver has a number of its own, so that limits per user do not mix. */
void become_unprivileged(void);

/* ---- driver: HTTP on 127.0.0.1 ------------------------------------------------------------------------------------ */

typedef enum {
    HTTP_ANSWERED, /* a whole answer came */
    HTTP_REFUSED,  /* connection refused */
    HTTP_RESET,    /* connection reset */
    HTTP_CLOSED,   /* end of file before a whole answer */
    HTTP_TIMEOUT,
    HTTP_BROKEN /* something else than HTTP, or another error */
} http_outcome;

typedef struct {
    http_outcome outcome;
    int status;
    char body[4096];
    bool closes; /* the answer says Connection: close */
    int worker;  /* from a body "worker <id> pid <pid>", else -1 */
    pid_t pid;
} http_answer;

http_answer http_get(uint16_t port, const char *path);                     /* on a new connection */
http_answer http_get_within(uint16_t port, const char *path, int64_t ms);
int http_open(uint16_t port);                                              /* a connected socket, or -1 */
http_answer http_request(int fd, const char *path, int64_t ms);            /* on a connection that is open */
int http_open_worker(uint16_t port, int worker_id);                        /* a connection that this worker accepted */
const char *http_outcome_name(http_outcome outcome);
/* Makes requests until each of `workers` workers (ids from 0 on) has answered one. */
#define app_wait_serving(a, workers) (ct_here(__FILE__, __LINE__), ct_wait_serving(a, workers))
void ct_wait_serving(app *a, int workers);

/* ---- in the program under test ------------------------------------------------------------------------------------ */

uint16_t app_port(char **argv);
/* One line to stdout in one write, so that lines of several processes do not mix. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Starts the thread that answers app_ctl; in a worker it does nothing. `handler` may be NULL; else it is asked first: true if the
   command was its own, the answer written to `answer`. */
typedef bool control_handler(const char *command, char *answer, size_t size);
void control_start(control_handler *handler);
/* The usual clustered program: control thread; master: says "master ready", waits for its workers, says "master done", 0;
   worker: the server of server.h on cluster_get_port(); cluster_init failed: says "init failed", 3. */
int app_serve(const Cluster *options, int argc, char **argv);

#endif
