/* main(), the checks, and how a test ends. */
#include "internal.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *ct_file = "?";
int ct_line = 0;
char ct_marker_prefix[48];

static bool is_driver = false;
static bool failing = false;
static int64_t end_of_test_ms = INT64_MAX;
static const char *current_case = NULL;

static void drive(void);
static void finish(void);
static void reap_orphans(void);

int main(int argc, char **argv)
{
    /* Nothing that leaves a trace may happen before app_main: some tests are about what a program does first of all. */
    if (argc >= 2 && strncmp(argv[1], "app:", 4) == 0) {
        if (argc >= 4)
            ct_end_if_too_deep(argv[3]);
        return app_main(argc, argv, argv[1] + 4);
    }
    drive();
    return 0;
}

static void drive(void)
{
    /* A library that loses the arguments would start drivers without end. */
    if (getenv("CT_MARKER")) {
        fprintf(stderr, "harness: a process of the app was started without its arguments\n");
        exit(CT_CHECK_FAILED);
    }
    is_driver = true;
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Orphans of the apps come to the driver, so that it sees and reaps them wherever it runs. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    srand((unsigned)getpid() ^ (unsigned)time(NULL));
    snprintf(ct_marker_prefix, sizeof ct_marker_prefix, "ct-marker-%d-%08x-", (int)getpid(), (unsigned)rand());
    ct_watchdog_start(60);
    test_time_limit(60);
    test_main();
    finish();
}

void test_time_limit(int seconds)
{
    end_of_test_ms = INT64_MAX;
    end_of_test_ms = ct_deadline((int64_t)seconds * 1000);
    /* The watchdog only acts when the driver itself hangs: it gets some seconds more. */
    ct_watchdog_limit((int)((end_of_test_ms - ct_now_ms()) / 1000) + 10);
}

void test_case(const char *name)
{
    current_case = name;
    printf("case: %s\n", name);
}

static void fail_if_running(app *a)
{
    ct_pump(0);
    if (!a->ended)
        ct_fail(ct_file, ct_line, "the test ends, but the app with pid %d still runs: use app_stop or app_wait_exit", (int)a->pid);
    ct_expect_none_left(a);
}

static void finish(void)
{
    ct_here("the end of the test", 0);
    ct_each_app(fail_if_running);
    reap_orphans();
    ct_remove_temp_folders();
    ct_watchdog_end();
    printf("passed\n");
    exit(0);
}

static void reap_orphans(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int64_t ct_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t ct_deadline(int64_t ms)
{
    static double factor = 0;
    if (factor == 0) {
        const char *text = getenv("CT_TIME_FACTOR");
        factor = text ? strtod(text, NULL) : 1;
        if (factor < 1)
            factor = 1;
    }
    int64_t end = ct_now_ms() + (int64_t)((double)ms * factor);
    return end < end_of_test_ms ? end : end_of_test_ms;
}

void ct_here(const char *file, int line)
{
    ct_file = file;
    ct_line = line;
}

void ct_fail(const char *file, int line, const char *format, ...)
{
    char text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file;
    if (!is_driver) {
        /* In the program under test: the driver prints this line with the rest of its stderr. */
        dprintf(STDERR_FILENO, "CHECK FAILED in pid %d: %s:%d: %s\n", (int)getpid(), name, line, text);
        _exit(CT_CHECK_FAILED);
    }
    if (failing)
        _exit(1);
    failing = true;
    fflush(stdout);
    fprintf(stderr, "FAILED %s:%d: %s%s%s\n", name, line, current_case ? current_case : "", current_case ? ": " : "", text);
    if (ct_now_ms() >= end_of_test_ms)
        fprintf(stderr, "(the time of the whole test is over)\n");
    ct_pump(0);
    ct_each_app(ct_print_app);
    ct_kill_marked(ct_marker_prefix);
    reap_orphans();
    ct_remove_temp_folders();
    ct_watchdog_end();
    exit(1);
}

void ct_check_str(const char *file, int line, const char *what, const char *actual, const char *expected)
{
    if (!actual || strcmp(actual, expected) != 0)
        ct_fail(file, line, "expected: %s is \"%s\", but it is \"%s\"", what, expected, actual ? actual : "(NULL)");
}

void ct_check_match(const char *file, int line, const char *what, const char *text, const char *pattern)
{
    if (!text || !ct_matches(text, pattern))
        ct_fail(file, line, "expected: %s matches \"%s\", but it is \"%s\"", what, pattern, text ? text : "(NULL)");
}

bool ct_matches(const char *text, const char *pattern)
{
    if (strncmp(pattern, "re:", 3) != 0)
        return strstr(text, pattern) != NULL;
    regex_t expression;
    if (regcomp(&expression, pattern + 3, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0)
        ct_fail(ct_file, ct_line, "not a regular expression: %s", pattern);
    bool found = regexec(&expression, text, 0, NULL, 0) == 0;
    regfree(&expression);
    return found;
}

void ct_out_of_memory(void)
{
    fprintf(stderr, "harness: out of memory\n");
    exit(1);
}

/* The kept copies stay reachable, so that leak checkers stay silent. */
struct kept {
    struct kept *next;
    char data[];
};

const char *ct_keep(const char *data, size_t size)
{
    static struct kept *all = NULL;
    struct kept *copy = malloc(sizeof *copy + size + 1);
    if (!copy)
        ct_out_of_memory();
    memcpy(copy->data, data, size);
    copy->data[size] = '\0';
    copy->next = all;
    all = copy;
    return copy->data;
}
