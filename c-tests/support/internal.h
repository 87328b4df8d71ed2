/* What the parts of the harness share; tests do not include it. */
#ifndef CT_INTERNAL_H
#define CT_INTERNAL_H

#include "harness.h"

#define CT_MAX_APPS 64
#define CT_MAX_PIDS 1024

/* Every process of every app of this driver has a marker that begins with this. */
extern char ct_marker_prefix[48];

void ct_each_app(void (*action)(app *a));
void ct_print_app(app *a);
app *ct_new_app(void);
void ct_read_now(app *a); /* read what is there, wait for nothing */

int ct_pids_with_marker(const char *marker, pid_t *pids, int room);
void ct_kill_marked(const char *marker); /* SIGKILL to exactly the processes with this marker, until there is none */
/* Ends this process if too many of its ancestors have the marker: a library whose workers become masters would otherwise start
   processes without end. */
void ct_end_if_too_deep(const char *marker);
int ct_pidfd_open(pid_t pid);

void ct_remove_temp_folders(void);

void ct_watchdog_start(int seconds);
void ct_watchdog_limit(int seconds);
void ct_watchdog_end(void);

void ct_out_of_memory(void) __attribute__((noreturn));
const char *ct_keep(const char *data, size_t size); /* a copy that lives until the end of the test */

#endif
