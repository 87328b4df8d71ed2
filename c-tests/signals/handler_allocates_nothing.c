/* contract 4.2: what may be called from a signal handler allocates nothing. This program has an allocator of its own,
   which ends the process when it is called on a thread that is in the handler. */
#include "lab.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

/* ---- an allocator that only ever takes the next piece -------------------------------------------------------------- */

#define ROOM (64u << 20)

static alignas(4096) char room[ROOM];
static atomic_size_t used = 0;
static _Thread_local volatile bool in_handler = false;
static atomic_int calls = 0;

static void note_call(void)
{
    static const char message[] = "CHECK FAILED: memory was allocated or freed in the handler\n";
    atomic_fetch_add(&calls, 1);
    if (in_handler) {
        ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
        _exit(ignored < 0 ? 1 : CT_CHECK_FAILED);
    }
}

/* The size stands in the 16 bytes before each piece. */
static void *take(size_t alignment, size_t size)
{
    note_call();
    if (alignment < 16)
        alignment = 16;
    size_t start = atomic_fetch_add(&used, size + 2 * alignment);
    if (start + size + 2 * alignment > ROOM) {
        errno = ENOMEM;
        return NULL;
    }
    size_t at = (start + alignment + alignment - 1) / alignment * alignment;
    memcpy(room + at - sizeof size, &size, sizeof size);
    return room + at;
}

void *malloc(size_t size)
{
    return take(16, size);
}

void free(void *piece)
{
    if (piece)
        note_call();
}

void *calloc(size_t count, size_t size)
{
    if (size != 0 && count > ROOM / size) {
        errno = ENOMEM;
        return NULL;
    }
    return take(16, count * size); /* the room was zero and no piece is used twice */
}

void *realloc(void *piece, size_t size)
{
    size_t old = 0;
    void *next = take(16, size);
    if (!piece || !next)
        return next;
    memcpy(&old, (char *)piece - sizeof old, sizeof old);
    return memcpy(next, piece, old < size ? old : size);
}

int posix_memalign(void **piece, size_t alignment, size_t size)
{
    *piece = take(alignment, size);
    return *piece ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return take(alignment, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
    return take(alignment, size);
}

/* ---- the program --------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t handled = 0;

static void on_signal(int number)
{
    cluster_stats_t stats;
    worker_stats_t workers[2];
    (void)number;
    in_handler = true;
    cluster_get_stats(&stats);
    cluster_get_worker_stats(1, workers);
    cluster_get_all_workers(workers, 2);
    cluster_signal_workers(SIGWINCH);
    cluster_signal_workers(-1);
    cluster_graceful_restart();
    (void)(cluster_is_master() + cluster_is_worker() + cluster_worker_id() + cluster_worker_count() + cluster_get_port());
    in_handler = false;
    handled++;
}

static bool command(const char *text, char *answer, size_t size)
{
    if (strcmp(text, "counts") != 0)
        return false;
    snprintf(answer, size, "handled=%d calls=%d", (int)handled, atomic_load(&calls));
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    control_start(command);
    if (!cluster_init(&options, argc, argv))
        return plain_worker();
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    say("master ready");
    cluster_wait_workers();
    raise(SIGUSR1); /* outside: [ERROR] lines */
    return 0;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    kill(a->pid, SIGUSR1);
    WAIT_UNTIL(ctl_field(app_ctl(a, "counts"), "handled") == 2);
    app_wait_out_times(a, "event exit 1 143 graceful", 2);
    lab_finish_restart(a);
    CHECK_INT(ctl_field(app_ctl(a, "counts"), "calls"), >, 0); /* it is this allocator that is used */
    app_expect_err_count(a, "CHECK FAILED", 0);
    app_stop(a);
}
