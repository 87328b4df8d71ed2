/* contract 2.1: a port that the user may not bind is an error, found before any worker is started. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 879

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = PORT, .respawn = true};
    return app_serve(&options, argc, argv);
}

/* Where every port is free for all (as in many containers), a network of its own brings the usual border back. */
static void become_unprivileged_user(void)
{
    int border = 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    if (file && fscanf(file, "%d", &border) == 1 && border <= PORT)
        (void)unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER);
    become_unprivileged();
}

/* The same in a process that only tries it: 0, or the error of bind. */
static void try_bind(void)
{
    become_unprivileged_user();
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    _exit(bind(fd, (struct sockaddr *)&any, sizeof any) != 0 && errno == EACCES ? 0 : 1);
}

void test_main(void)
{
    app *probe = app_start(.before_exec = try_bind);
    if (app_wait_exit(probe) != 0) {
        printf("NOT CHECKED: every user may bind port %d here, and that cannot be changed\n", PORT);
        return;
    }
    app *a = app_start(.before_exec = become_unprivileged_user);
    app_expect_exit(a, 3);
    app_expect_none_left(a);
    app_expect_out_count(a, "init failed", 1);
    app_expect_out_count(a, "", 1); /* no worker said anything: none was started */
    app_expect_err_count(a, "", 1);
    app_expect_err_count(a, "re:^\\[ERROR\\] .*[^0-9]879[^0-9]", 1);
    app_expect_err_count(a, "re:1024|root|CAP_NET_BIND_SERVICE|setcap", 1); /* the remedy */
}
