/* contract 4.2, 1.5: a signal handler interrupts malloc, stdio and the library itself at any moment, on the thread that runs the master,
   and calls every function that it may call, 100,000 times and more (CT_RUNS in the environment: another number). Nothing hangs, every
   answer is right, errno is kept, also where an [ERROR] line cannot be written. The workers crash and are restarted all the while; the cluster is begun, and ended by the handler,
   several times. */
#include "every_call.h"

#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define RUNS 100000
#define CYCLES 4

/* What the main thread is doing. The handler counts what it has interrupted. */
enum place { ELSEWHERE, IN_MALLOC, IN_STDIO, IN_CALLS, IN_INIT, IN_WAIT, PLACES };
static const char *const place_names[PLACES] = {"elsewhere", "malloc", "stdio", "calls", "init", "wait"};

static volatile sig_atomic_t place = ELSEWHERE;
static volatile sig_atomic_t is_over = 0; /* this cycle */
static atomic_long runs = 0, interrupted[PLACES], in_library_code = 0;
static _Atomic(verdict) wrong = NULL;
static long runs_wanted = RUNS, runs_of_cycle = 0;
static uintptr_t code_start = 0, code_end = 0;
static timer_t timer;
static FILE *sink;

/* ---- the handler --------------------------------------------------------------------------------------------------- */

static uintptr_t interrupted_at(const void *context)
{
#if defined(__x86_64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
#else
#error "contract: x86_64 or aarch64"
#endif
}

/* The next signal comes some microseconds from now: before the loop has taken what this one brought, or later. */
static void set_timer(void)
{
    static unsigned dice = 1;
    dice = dice * 1103515245u + 12345u;
    struct itimerspec soon = {.it_value.tv_nsec = 2000 + (dice >> 16) % 40000};
    timer_settime(timer, 0, &soon, NULL);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    uintptr_t at = interrupted_at(context);
    long run = atomic_fetch_add(&runs, 1);
    verdict found = every_call_that_asks(true), acted = every_call_that_acts(run % 64 == 0);
    (void)number;
    (void)info;
    if (found || acted)
        atomic_store(&wrong, found ? found : acted);
    atomic_fetch_add(&interrupted[place], 1);
    if ((place == IN_WAIT || place == IN_INIT) && at >= code_start && at < code_end)
        atomic_fetch_add(&in_library_code, 1);
    if (cluster_is_master() && (run + 1 >= runs_of_cycle || found || acted)) {
        is_over = 1;
        cluster_signal_workers(SIGTERM);
    }
    set_timer();
}

/* ---- what is interrupted ------------------------------------------------------------------------------------------- */

static void churn(void)
{
    static void *pieces[64];
    static unsigned turn = 0;
    sig_atomic_t before = place;
    turn++;
    place = IN_MALLOC;
    for (unsigned i = 0; i < 64; i++) {
        free(pieces[i]);
        pieces[i] = malloc(16u << (i + turn) % 12); /* up to 32 KiB: out of every kind of bin, and from the heap's end */
    }
    place = IN_STDIO;
    for (int i = 0; i < 20; i++)
        fprintf(sink, "%d %s %p %.3f\n", i, "text", (void *)pieces, i / 7.0);
    fflush(sink);
    place = IN_CALLS;
    for (int i = 0; i < 20; i++) {
        verdict found = every_call_that_asks(true);
        if (found)
            atomic_store(&wrong, found);
        every_call_that_acts(false);
    }
    place = before;
}

static void on_start(uint8_t id)
{
    (void)id;
    churn();
}

static void on_exit_of(uint8_t id, int status, bool is_crash)
{
    (void)id;
    (void)status;
    (void)is_crash;
    churn();
}

/* Nobody reads what goes there: each [ERROR] line fails with EPIPE, which changes errno. Gives the stderr that was. */
static int break_stderr(void)
{
    int ends[2], kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    CHECK_INT(pipe2(ends, O_CLOEXEC), ==, 0);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return kept;
}

static int find_code(struct dl_phdr_info *object, size_t size, void *unused)
{
    uintptr_t known = (uintptr_t)cluster_init;
    (void)size;
    (void)unused;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && part->p_flags & PF_X && known >= start && known < start + part->p_memsz) {
            code_start = start;
            code_end = start + part->p_memsz;
        }
    }
    return 0;
}

static void begin_storm(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
    struct sigevent this_thread = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    this_thread.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    dl_iterate_phdr(find_code, NULL);
    CHECK(code_start != 0);
    sink = fopen("/dev/null", "w");
    CHECK(sink != NULL);
    sigaction(SIGUSR1, &action, NULL);
    CHECK_INT(timer_create(CLOCK_MONOTONIC, &this_thread, &timer), ==, 0);
    set_timer();
}

static void report(void)
{
    char line[512];
    size_t used = (size_t)snprintf(line, sizeof line, "storm runs=%ld library=%ld", atomic_load(&runs), atomic_load(&in_library_code));
    for (int i = 0; i < PLACES; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " %s=%ld", place_names[i], atomic_load(&interrupted[i]));
    say("%s", line);
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
                       .on_start = on_start,
                       .on_exit = on_exit_of};
    int real_stderr = -1;
    (void)variant;
    if (lab_worker_id() < 0) {
        begin_storm();
        real_stderr = break_stderr();
    }
    if (getenv("CT_RUNS"))
        runs_wanted = atol(getenv("CT_RUNS"));
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        runs_of_cycle = runs_wanted * (cycle + 1) / CYCLES;
        is_over = 0;
        place = IN_INIT;
        bool is_master = cluster_init(&options, argc, argv);
        place = ELSEWHERE;
        if (cluster_is_worker())
            return every_call_victim();
        CHECK(is_master);
        /* Half of a cycle before the wait, half in it. */
        for (long end = runs_of_cycle - runs_wanted / CYCLES / 2; atomic_load(&runs) < end && !is_over;)
            churn();
        place = IN_WAIT;
        cluster_wait_workers();
        place = ELSEWHERE;
        if (atomic_load(&wrong))
            dup2(real_stderr, STDERR_FILENO);
        CHECK_MSG(!atomic_load(&wrong), "in a handler: %s", atomic_load(&wrong));
        CHECK(is_over);
    }
    report();
    return 0;
}

void test_main(void)
{
    test_time_limit(170);
    app *a = app_start(.variant = "");
    while (!a->ended)
        ct_pump(1000);
    app_expect_exit(a, 0);
    const char *line = app_wait_out(a, "storm runs=");
    printf("%s\n", line);
    CHECK_INT(ctl_field(line, "runs"), >=, getenv("CT_RUNS") ? atol(getenv("CT_RUNS")) : RUNS);
    const char *const must[] = {"malloc", "stdio", "calls", "init", "wait", "library"};
    for (size_t i = 0; i < sizeof must / sizeof *must; i++)
        CHECK_MSG(ctl_field(line, must[i]) > 0, "%s was never interrupted", must[i]);
}
