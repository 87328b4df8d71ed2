/* What the tests of the examples share. */
#ifndef EXAMPLES_H
#define EXAMPLES_H

#include "harness.h"

/* Starts the example; `env` is added to its environment (one entry) or NULL. */
app *start_example(const char *env);
/* The pid of the master's worker with this id, told by its process name; 0 if there is none. */
pid_t example_worker(app *a, int worker_id);
/* Waits until `workers` workers run whose pids are all different from those in `old` (may be NULL), and notes them in `now`. */
void wait_for_workers(app *a, int workers, const pid_t *old, pid_t *now);
pid_t wait_for_new_worker(app *a, int worker_id, pid_t old);
/* Answers of "/" until each of the workers has given one; `format` scans the worker's id. */
void wait_for_answers(app *a, int workers, const char *format);

void test_statistics(void);
void test_reference_statistics(void);
void test_full(void);

#endif
