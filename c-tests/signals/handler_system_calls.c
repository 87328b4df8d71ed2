/* contract 4.2: the functions that a signal handler may call make no system calls but these: getpid; a write of 8 bytes, which wakes the
   master; pidfd_send_signal; for an [ERROR] line poll, which does not wait, the line's write, and what keeps SIGPIPE away; and
   clock_gettime where the kernel offers nothing faster. A tracer looks at every call between two marks, which the handler makes at its
   beginning and its end, 1,000 times (CT_RUNS in the environment: another number), while it interrupts malloc, stdio and the library. */
#include "every_call.h"

#include <linux/ptrace.h> /* and not sys/ptrace.h, which not every C library lets stand beside it */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS 1000
#define BEGIN 0x5eedbe61
#define END 0x5eede4d0

/* Filled by the tracer, in memory that it shares with the master. */
static struct {
    int error; /* the errno for which nothing can be traced; -1 until that is known */
    long runs, calls, writes_to_master, lines, signals;
    long forbidden; /* the number of the first system call that should not have been; -1: none */
    unsigned long arguments[3]; /* of that one */
} *seen;

/* ---- the tracer ---------------------------------------------------------------------------------------------------- */

static bool is_allowed(unsigned long number, const __u64 *arguments)
{
    switch (number) {
    case SYS_getpid:
    case SYS_clock_gettime:
    case SYS_rt_sigprocmask:
    case SYS_rt_sigpending:
    case SYS_rt_sigtimedwait:
        return true;
    case SYS_write:
        seen->lines += arguments[0] == STDERR_FILENO;
        seen->writes_to_master += arguments[0] != STDERR_FILENO;
        return arguments[0] == STDERR_FILENO || arguments[2] == sizeof(uint64_t);
    case SYS_pidfd_send_signal:
        seen->signals++;
        return arguments[2] == 0 && arguments[3] == 0;
#ifdef SYS_poll
    case SYS_poll:
        return arguments[1] == 1 && arguments[2] == 0;
#endif
    case SYS_ppoll:
        return arguments[1] == 1;
    default:
        return false;
    }
}

static void look_at(const struct ptrace_syscall_info *call)
{
    static bool in_handler = false;
    if (call->op != PTRACE_SYSCALL_INFO_ENTRY)
        return;
    if (call->entry.nr == SYS_getppid && (call->entry.args[0] == BEGIN || call->entry.args[0] == END)) {
        in_handler = call->entry.args[0] == BEGIN;
        seen->runs += !in_handler;
    } else if (in_handler) {
        seen->calls++;
        if (!is_allowed(call->entry.nr, call->entry.args) && seen->forbidden < 0) {
            seen->forbidden = (long)call->entry.nr;
            for (int i = 0; i < 3; i++)
                seen->arguments[i] = call->entry.args[i];
        }
    }
}

/* Lets the thread run on from stop to stop, until it ends or this process is killed. */
static void trace(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
        struct ptrace_syscall_info call;
        int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
            if (syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call) <= 0)
                _exit(1);
            look_at(&call);
            signal = 0;
        } else if (status >> 16 != 0) {
            signal = 0;
        }
        syscall(SYS_ptrace, PTRACE_SYSCALL, pid, NULL, (void *)(long)signal);
    }
}

/* A child of the master traces the master's main thread from here on. Gives its pid, or 0 if that cannot be. */
static pid_t start_tracer(void)
{
    pid_t master = getpid();
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(seen != MAP_FAILED);
    seen->forbidden = -1;
    seen->error = -1;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* where Yama forbids it otherwise */
    pid_t tracer = fork();
    if (tracer == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bool seized = syscall(SYS_ptrace, PTRACE_SEIZE, master, NULL, (void *)PTRACE_O_TRACESYSGOOD) == 0 &&
                      syscall(SYS_ptrace, PTRACE_INTERRUPT, master, NULL, NULL) == 0;
        __atomic_store_n(&seen->error, seized ? 0 : errno, __ATOMIC_SEQ_CST);
        if (seized)
            trace(master);
        _exit(0);
    }
    CHECK_INT(tracer, >, 0);
    while (__atomic_load_n(&seen->error, __ATOMIC_SEQ_CST) < 0)
        sched_yield();
    if (seen->error == 0)
        return tracer;
    waitpid(tracer, NULL, 0);
    return 0;
}

/* ---- the program --------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t runs = 0, is_cheating = 0;
static volatile verdict wrong = NULL;
static long runs_wanted = RUNS;

/* Not sooner, for everything takes its time when it is traced. */
static void set_timer(void)
{
    static unsigned dice = 1;
    dice = dice * 1103515245u + 12345u;
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 50 + (dice >> 16) % 300}, NULL);
}

static void on_signal(int number)
{
    bool is_last = ++runs == runs_wanted;
    (void)number;
    syscall(SYS_getppid, BEGIN);
    verdict found = every_call_that_asks(true), acted = every_call_that_acts(runs % 4 == 0);
    if (is_last)
        cluster_signal_workers(SIGTERM);
    if (is_last && is_cheating)
        syscall(SYS_getuid, 1, 2, 3);
    syscall(SYS_getppid, END);
    if (found || acted)
        wrong = found ? found : acted;
    if (!is_last)
        set_timer();
}

static void churn(void)
{
    static void *pieces[16];
    char text[200];
    for (unsigned i = 0; i < 16; i++) {
        free(pieces[i]);
        pieces[i] = malloc(16u << (i + (unsigned)runs) % 12);
        snprintf(text, sizeof text, "%d %p %.3f", (int)runs, pieces[i], i / 7.0);
    }
}

static void on_start(uint8_t id)
{
    (void)id;
    churn();
}

static void run_storm(const Cluster *options, int argc, char **argv)
{
    CHECK(cluster_init(options, argc, argv));
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    set_timer();
    while (runs < runs_wanted / 2)
        churn();
    cluster_wait_workers();
    CHECK_MSG(!wrong, "in a handler: %s", wrong);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = EVERY_CALL_WORKERS,
                       .port = app_port(argv),
                       .respawn = true,
                       .worker_startup_delay_ms = 1,
                       .worker_respawn_delay_ms = 1,
                       .respawn_window_sec = 1,
                       .respawn_max_crashes = 255,
                       .on_start = on_start};
    pid_t tracer = 0;
    is_cheating = strcmp(variant, "cheats") == 0;
    if (getenv("CT_RUNS"))
        runs_wanted = atol(getenv("CT_RUNS"));
    if (lab_worker_id() >= 0) {
        cluster_init(&options, argc, argv);
        return every_call_victim();
    }
    tracer = start_tracer();
    if (tracer == 0) {
        say("refused: %s", strerror(seen->error));
        return 0;
    }
    run_storm(&options, argc, argv);
    kill(tracer, SIGKILL);
    waitpid(tracer, NULL, 0);
    say("traced runs=%ld calls=%ld wakes=%ld signals=%ld lines=%ld forbidden=%ld (%#lx, %#lx, %#lx)", seen->runs, seen->calls,
        seen->writes_to_master, seen->signals, seen->lines, seen->forbidden, seen->arguments[0], seen->arguments[1],
        seen->arguments[2]);
    return 0;
}

/* Gives the line that tells of it, NULL if nothing could be traced. */
static const char *run(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant);
    while (!a->ended)
        ct_pump(1000);
    app_expect_exit(a, 0);
    if (app_count_out(a, "refused: ") > 0) {
        printf("NOT CHECKED: which system calls handlers make (contract 4.2): ptrace is %s\n", app_wait_out(a, "refused: "));
        return NULL;
    }
    const char *line = app_wait_out(a, "traced runs=");
    printf("%s\n", line);
    CHECK_INT(ctl_field(line, "runs"), >=, getenv("CT_RUNS") ? atol(getenv("CT_RUNS")) : RUNS);
    return line;
}

void test_main(void)
{
    test_time_limit(170);
    const char *line = run("honest");
    if (!line)
        return;
    CHECK_INT(ctl_field(line, "forbidden"), ==, -1);
    CHECK_INT(ctl_field(line, "wakes"), >=, ctl_field(line, "runs"));
    CHECK_INT(ctl_field(line, "signals"), >, 0);
    CHECK_INT(ctl_field(line, "lines"), >, 0);
    /* Such a call would be found. */
    CHECK_INT(ctl_field(run("cheats"), "forbidden"), ==, SYS_getuid);
}
