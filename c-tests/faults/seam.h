/* Faults in the system calls of a master. The linker puts the functions of seam.c between the library and the C library (option --wrap), so
 * that the very archive that programs link is tested, and nothing of this is in it.
 *
 * Only the thread that calls seam_arm() is concerned, and the processes that it makes until they execute a program. Each call passes a point,
 * named after it; "child." is before the name in a new process. FAULT_PLAN says what fails, as POINT:ERRNO:NTH:TIMES, several separated by
 * commas: from its NTH passing on, TIMES times (0: for ever), the call gives ERRNO. A point "clock" is no call: ERRNO is the number of
 * milliseconds by which the clocks jump forward at the NTH look at one. FAULT_RECORD is a file: how often each point was passed. */
#ifndef SEAM_H
#define SEAM_H

#include <stdint.h>

/* The file: so many records, one for each point that was passed. */
enum { SEAM_POINTS = 160, SEAM_NAME = 40 };

struct seam_record {
    char name[SEAM_NAME];
    uint64_t passed;      /* so often */
    uint64_t passed_init; /* so often when cluster_init returned */
    uint64_t injected;    /* so often it failed */
};

void seam_arm(void);
void seam_init_is_over(void);
/* From here on nothing fails any more. Gives the number of calls in all. */
uint64_t seam_disarm(void);

#endif
