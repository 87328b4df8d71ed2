/* contract 2.2, 2.3: a process that a worker starts is no worker, inherits no descriptor of the library, and may be a master itself. */
#include "harness.h"
#include "server.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char **saved_argv;

/* /child?PORT: executes this program once more, as a program of its own with the worker's environment, and waits for it. */
static void run_child(const char *port, char *body, size_t size)
{
    pid_t child = fork();
    if (child == 0) {
        char text[16];
        snprintf(text, sizeof text, "%s", port);
        execl("/proc/self/exe", saved_argv[0], "app:child", text, saved_argv[3], (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(child, &status, 0);
    snprintf(body, size, "child %d", WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
}

static void check_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        int fd = atoi(entry->d_name);
        CHECK_MSG(fd <= 2 || (fcntl(fd, F_GETFD) & FD_CLOEXEC), "descriptor %d was inherited", fd);
    }
    closedir(folder);
}

/* In the child: no trace of the worker's role; then a cluster of its own, on another port. */
static int be_child(int argc, char **argv)
{
    Cluster options = {.cpus = 1, .port = app_port(argv)};
    CHECK(!cluster_is_worker());
    CHECK_INT(cluster_get_port(), ==, 0);
    /* Before its cluster has descriptors. Its own worker comes here too: it has the library's, and none of them without close-on-exec. */
    check_descriptors();
    if (cluster_init(&options, argc, argv)) {
        say("child is a master");
        cluster_signal_workers(SIGTERM);
        cluster_wait_workers();
        return 42;
    }
    CHECK(cluster_is_worker());
    CHECK_INT(cluster_get_port(), ==, options.port);
    say("the child's worker runs");
    return server_serve(cluster_get_port());
}

int app_main(int argc, char **argv, const char *variant)
{
    if (strcmp(variant, "child") == 0)
        return be_child(argc, argv);
    Cluster options = {.cpus = 2, .port = app_port(argv)};
    saved_argv = argv;
    server_route("/child", run_child);
    return app_serve(&options, argc, argv);
}

void test_main(void)
{
    char path[32];
    snprintf(path, sizeof path, "/child?%u", (unsigned)free_port());
    app *a = app_start(.variant = "parent");
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    http_answer answer = http_get(a->port, path);
    CHECK_STR(answer.body, "child 42");
    app_wait_out(a, "child is a master");
    app_wait_serving(a, 2);
    app_stop(a);
    app_expect_err_count(a, "[ERROR]", 0);
}
