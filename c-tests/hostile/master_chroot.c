/* contract 3.5, 5.2, 7.2: a program that locks itself into an empty directory after cluster_init (chroot): a worker that crashes is replaced all
   the same, for its image is held; a restart finds no program there, says so, and the workers go on; the end is as ever. */
#include "lab.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool on_command(const char *command, char *answer, size_t size)
{
    if (strncmp(command, "chroot ", 7) != 0)
        return false;
    snprintf(answer, size, "%s", chroot(command + 7) == 0 && chdir("/") == 0 ? "done" : "refused");
    return true;
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 10,
                       .shutdown_timeout_ms = 1500, .respawn_max_crashes = 100};
    control_start(on_command);
    if (cluster_init(&options, argc, argv)) {
        say("master ready");
        cluster_wait_workers();
        return 0;
    }
    return cluster_is_worker() ? server_serve(cluster_get_port()) : 3;
}

/* What this program is linked with, in the new root: a worker runs there, too. */
static const char *new_root(void)
{
    static char command[1024];
    char own[512];
    const char *folder = temp_folder();
    ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    CHECK(size > 0);
    own[size] = '\0';
    CHECK_INT(chmod(folder, 0755), ==, 0);
    snprintf(command, sizeof command, "ldd '%s' | grep -o '/[^ ]*' | while read -r f; do cp --parents -L \"$f\" '%s'; done", own, folder);
    CHECK_INT(system(command), ==, 0);
    return folder;
}

void test_main(void)
{
    app *a = app_start(.control = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    if (strcmp(app_ctl(a, "chroot %s", new_root()), "done") != 0) {
        say("NOT CHECKED: a master in a chroot, for that takes root");
        app_stop(a);
        return;
    }
    pid_t old = app_worker_pid(a, 1), other = app_worker_pid(a, 0);
    kill(old, SIGKILL);
    app_wait_new_pid(a, 1, old);
    app_wait_serving(a, 2);
    app_ctl(a, "restart");
    app_wait_err(a, "re:^\\[ERROR\\] Graceful restart given up at worker 0: .*No such file");
    CHECK_INT(app_worker_pid(a, 0), ==, other);
    app_wait_serving(a, 2);
    app_stop(a);
}
