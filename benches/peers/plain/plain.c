/*
 * What stands in for the library, and for c-tests/zero-loss/main.c, in a server without it: as many processes as are wanted,
 * each with a listener of its own by SO_REUSEPORT. base.c, http.c and uv.c are those of c-tests/zero-loss, unchanged.
 */
#include "zl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 255

static uint16_t port;
static uint8_t own_id;
static pid_t children[MOST];

uint16_t cluster_get_port(void)
{
    return port;
}

uint8_t cluster_worker_id(void)
{
    return own_id;
}

static int serve(uint8_t id, const sigset_t *blocked)
{
    own_id = id;
    /* As the library's workers do (contract 2.3): with kernel.sched_autogroup_enabled a session is a group of its own to the
       scheduler, and beside the clients on the same processors that is more than all else that the two servers differ in. */
    setsid();
    struct sigaction ignored = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignored, NULL);
    sigprocmask(SIG_UNBLOCK, blocked, NULL);
    struct zl_options options = { .port = port, .workers = 1, .reuseport = true, .accept4 = true, .connection_header = true };
    return zl_serve(&options);
}

int main(int argc, char **argv)
{
    int workers = 2;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "port=", 5) == 0)
            port = (uint16_t)atoi(argv[i] + 5);
        else if (strncmp(argv[i], "workers=", 8) == 0)
            workers = atoi(argv[i] + 8);
    }
    if (workers < 1 || workers > MOST || port == 0)
        return 2;
    /* Nothing outlives the measurement. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 8192 && files.rlim_max >= 8192) {
        files.rlim_cur = 8192;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sigset_t asked_to_stop;
    sigemptyset(&asked_to_stop);
    sigaddset(&asked_to_stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &asked_to_stop, NULL);
    for (int i = 0; i < workers; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(serve((uint8_t)i, &asked_to_stop));
    }
    int signal_number;
    sigwait(&asked_to_stop, &signal_number);
    for (int i = 0; i < workers; i++)
        if (children[i] > 0)
            kill(children[i], SIGTERM);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
