/*
 * What the tests of supervision, signals and restarts share beside the harness: workers that end as they are told to, a record of
 * the callbacks, gates that the driver opens, and program files that can be told apart ("releases").
 */
#ifndef CT_LAB_H
#define CT_LAB_H

#include "harness.h"

/* ---- in the program under test ------------------------------------------------------------------------------------ */

/* Says "event start <id>" and "event exit <id> <status> crash|graceful"; lab_events collects them. */
void lab_on_start(uint8_t worker_id);
void lab_on_exit(uint8_t worker_id, int exit_status, bool is_crash);
#define LAB_EVENTS .on_start = lab_on_start, .on_exit = lab_on_exit

/* Like app_serve of the harness, with a worker of the test's own. */
int lab_main(const Cluster *options, int argc, char **argv, int (*worker)(void));

/* Listens on the cluster's port, says "worker <id> listening" and does nothing else. Every signal has its default effect, but:
   lab_tell makes it exit or raise a signal; SIGUSR1, SIGHUP and SIGWINCH make it say "worker <id> got <number>". */
int plain_worker(void);
/* The same, and it says "worker <id> got <number>" for SIGTERM and SIGINT, too, and goes on. */
int stubborn_worker(void);
/* The same as plain_worker, but on SIGTERM it returns 0, and only when it has handled the signals that came before: of two that wait
   the kernel may let the deadly one come first. */
int tidy_worker(void);
void lab_obey(void); /* the signal handlers of plain_worker alone */
void lab_obey_stubbornly(void);
void lab_sleep_for_ever(void) __attribute__((noreturn));
int plain_listen(const char *address, uint16_t port); /* a listening socket with SO_REUSEADDR; exits with 4 if it cannot be had */

int lab_worker_id(void);          /* from the environment, so also before cluster_init; -1 in the master */
void gate_wait(const char *name); /* until the driver opens it; needs .env = lab_env() */
bool gate_is_open(const char *name);

/* ---- in the driver ------------------------------------------------------------------------------------------------ */

/* All callbacks so far, in order: "start 0; start 1; exit 0 3 crash". The second form waits until they are these, for a callback runs
   after the statistics tell of its event. */
const char *lab_events(app *a);
#define lab_expect_events(a, expected) (ct_here(__FILE__, __LINE__), lab_wait_for_events(a, expected))
void lab_wait_for_events(app *a, const char *expected);
/* cluster_signal_workers on the master's control thread; the answer is not waited for, since the app may end before it is given. */
#define lab_order_signal(a, signal) (ct_here(__FILE__, __LINE__), lab_send_order(a, signal))
void lab_send_order(app *a, int signal);
int64_t lab_event_ms(app *a, int index); /* when it ran, as from ct_now_ms */

/* Makes a plain worker exit with this code; from 1000 on: die of the signal `code - 1000` that it sends to itself. */
#define lab_tell(pid, code) (ct_here(__FILE__, __LINE__), lab_tell_worker(pid, code))
void lab_tell_worker(pid_t pid, int code);
#define lab_kill(a, id, signal) (ct_here(__FILE__, __LINE__), lab_kill_worker(a, id, signal))
pid_t lab_kill_worker(app *a, int worker_id, int signal); /* gives the pid that was signalled */
/* Until the slot is ACTIVE with another process than `old`, that is after its exec; gives its pid. */
#define lab_wait_new_pid(a, id, old) (ct_here(__FILE__, __LINE__), lab_wait_for_new_pid(a, id, old))
pid_t lab_wait_for_new_pid(app *a, int worker_id, pid_t old);
void lab_wait_listening(app *a, int workers);      /* each of them has listened at least once */
#define lab_wait_orphan(pid) (ct_here(__FILE__, __LINE__), lab_wait_for_orphan(pid))
int lab_wait_for_orphan(pid_t pid);                /* how this orphan ended, as from waitpid */
void lab_wait_for(int64_t ms);                     /* for tests whose subject is time itself */
#define lab_finish_restart(a) (ct_here(__FILE__, __LINE__), lab_wait_for_restart(a))
void lab_wait_for_restart(app *a);                 /* until restart_requested is false */

const char *lab_folder(void); /* an empty folder, removed at the end */
const char *lab_path(const char *name);
const char *const *lab_env(void); /* for app_start: tells the app where the gates are */
void gate_open(const char *name);

/* ---- releases: copies of the test's own program that differ in a short text ---------------------------------------- */

/* Puts the release at this path as a deploy should: written beside it, then renamed over what is there. */
void release_install(const char *path, const char *text);
/* Installs the release "1" there, and starts it with a control thread; all of its workers listen then. */
#define release_start(path, workers) (ct_here(__FILE__, __LINE__), release_start_first(path, workers))
app *release_start_first(const char *path, int workers);
const char *release_of(pid_t pid);  /* which one this process executes, even if its file is gone; "" if it is none */
const char *release_own(void);      /* the same in the program under test */
const char *release_of_worker(app *a, int worker_id);
pid_t release_wait_child(app *a, const char *text); /* until a child of the master executes this release; gives its pid */

/* Usual behaviour of a release, by its text; the rest of the text may say which one it is, for instance "2 exit 1":
     "exit N", "abort"      a worker does so before cluster_init
     "gate G"               a worker waits for this gate before cluster_init
     "... for W"            only worker W does so */
void release_behave(void);

/* ---- a program that is PID 1 of a namespace ------------------------------------------------------------------------- */

/* In the app: runs it once more, with this variant, as PID 1 of a new namespace that has its own /proc, and gives its exit code. Where
   the machine does not permit that, it says "refused: <why>" and gives PID1_REFUSED. */
int pid1_run(char **argv, const char *variant);
#define PID1_REFUSED 77
bool pid1_is_refused(app *a); /* in the driver: waits for "master ready", or for the refusal */
/* In the app: a grandchild that ends as an orphan, in a session of its own or in the caller's; gives its pid. */
pid_t pid1_make_orphan(bool own_session);

#endif
