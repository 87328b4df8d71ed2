/* What together.c knows of its cluster by the documentation's interface, for the files that ask the other two. */
#ifndef TOGETHER_H
#define TOGETHER_H

#include <stdint.h>

struct together {
    uint8_t workers; /* 3 */
    uint16_t port;
    int pids[3];
};

/* NULL if everything is as it should be, else what is not. In the master. */
const char *together_v0_1(const struct together *t);
const char *together_v0_2(const struct together *t);
/* What init gives. */
int together_init_v0_1(int argc, char **argv);
int together_init_v0_2(int argc, char **argv);


#define TOGETHER_TEXT_(line) #line
#define TOGETHER_TEXT(line) TOGETHER_TEXT_(line)
#define EXPECT(condition)                                                                                                \
    do {                                                                                                                 \
        if (!(condition))                                                                                                \
            return __FILE__ ":" TOGETHER_TEXT(__LINE__) ": not so: " #condition;                                         \
    } while (0)

#endif
