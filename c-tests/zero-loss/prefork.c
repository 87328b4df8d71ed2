/* The worker listens and forks three processes, which all accept on the one listener: in a blocking accept(), one
   connection at a time, or each with an epoll loop of its own. */
#include "zl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 3

static volatile sig_atomic_t told_to_stop = 0;
static pid_t children[CHILDREN];

static void on_sigterm(int signal_number)
{
    (void)signal_number;
    told_to_stop = 1;
    for (int i = 0; i < CHILDREN; i++)
        if (children[i] > 0)
            kill(children[i], SIGTERM);
}

static void on_sigterm_of_child(int signal_number)
{
    (void)signal_number;
    told_to_stop = 1;
    zl_draining = true;
}

static void serve_client(const struct zl_options *options, int fd)
{
    static char room[65536];
    struct zl_http http;
    zl_http_init(&http, options);
    for (;;) {
        zl_http_run(&http);
        while (http.out.start < http.out.end) {
            long size = zl_write_some(options, fd, http.out.data + http.out.start, http.out.end - http.out.start);
            if (size < 0 && errno != EINTR)
                goto gone;
            http.out.start += size > 0 ? (size_t)size : 0;
        }
        if (http.due) {
            usleep(2000);
            continue;
        }
        if (http.close_after || (told_to_stop && zl_http_is_idle(&http)))
            break;
        ssize_t size = read(fd, room, sizeof room);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        zl_http_feed(&http, room, (size_t)size);
    }
gone:
    zl_http_free(&http);
    close(fd);
}

static int serve_as_child(const struct zl_options *options, int listener)
{
    if (options->prefork_epoll)
        return zl_reactor(options, &zl_epoll_level, false, listener);
    struct sigaction action = { .sa_handler = on_sigterm_of_child }; /* no SA_RESTART: accept() ends with EINTR */
    if (options->sigterm != ZL_DIE)
        sigaction(SIGTERM, &action, NULL);
    while (!told_to_stop) {
        int fd = zl_accept(options, listener, false);
        if (fd >= 0)
            serve_client(options, fd);
        else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN)
            return 6;
    }
    return 0;
}

int zl_serve(const struct zl_options *options)
{
    int fds[ZL_MAX_LISTENERS], status = 0;
    if (zl_listen(options, options->prefork_epoll, NULL, fds) != 1)
        return 4;
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            signal(SIGTERM, SIG_DFL);
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            _exit(serve_as_child(options, fds[0]));
        }
    }
    if (options->sigterm != ZL_DIE) {
        struct sigaction action = { .sa_handler = on_sigterm, .sa_flags = SA_RESTART };
        sigaction(SIGTERM, &action, NULL);
    }
    for (int left = CHILDREN; left > 0;) {
        pid_t pid = wait(&status);
        if (pid < 0 && errno != EINTR)
            break;
        left -= pid > 0;
        if (pid > 0 && !told_to_stop) {
            zl_say(2, "worker %u: process %d ended by itself, status %d\n", cluster_worker_id(), (int)pid, status);
            return 7;
        }
    }
    return 0;
}
