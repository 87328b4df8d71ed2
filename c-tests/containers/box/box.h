/*
 * What the tests of containers share: surroundings for a program, to be entered before exec (.before_exec of app_start), and a life that a
 * cluster has to lead in each of them.
 */
#ifndef CT_BOX_H
#define CT_BOX_H

#include "rig.h"

/* ---- in the new process: each ends it with BOX_REFUSED where the machine does not permit it ---------------------------- */

#define BOX_REFUSED 77
void box_own_mounts(void);      /* a mount namespace of its own; for a user of no rights in a user namespace of its own */
void box_read_only_root(void);  /* nothing below / can be written */
void box_without_proc(void);    /* an empty folder is where /proc was */
/* These system calls fail with this errno from now on, also in what is executed. The list ends with -1. */
void box_deny(const long *calls, int error);

/* ---- in the driver ------------------------------------------------------------------------------------------------------ */

/* Whether it can be entered here; if not, says "NOT CHECKED: <what>". */
bool box_can(void (*enter)(void), const char *what);

/* A start, a crash and a respawn, a graceful restart beside an idle connection and a request under way, a signal to all, the end. */
void box_life(app *a);
/* The program for it, two workers; the master forks a child that stays, holding all it has, if the variant says "fork"; it gives
   them half a second to stop, instead of 8, if the variant says "short". */
int box_main(int argc, char **argv, const char *variant);
#define box_start(...) app_start(.control = true, .env = lab_env(), __VA_ARGS__)

#endif
