/* contract 3.5, 2.3: a program that was started in a folder that a link leads to, `cd current && ./app`: a crash respawn runs the old image
   in the old folder, so that it finds the data that belong to it; a restart runs the new image in the new folder. */
#include "lab.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder has a file "data", which names the release; relative, as programs find their templates. */
static void say_data(void)
{
    char data[16] = "none";
    int fd = open("data", O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, data, sizeof data - 1);
    data[got > 0 ? got : 0] = '\0';
    close(fd);
    say("worker %u: program %s data %s", cluster_worker_id(), release_own(), data);
}

static int worker(void)
{
    say_data();
    return plain_worker();
}

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    if (lab_worker_id() < 0)
        CHECK_INT(chdir("/"), ==, 0);
    return lab_main(&options, argc, argv, worker);
}

static void make_release(const char *number)
{
    char name[64];
    snprintf(name, sizeof name, "release-%s", number);
    CHECK_INT(mkdir(lab_path(name), 0755), ==, 0);
    snprintf(name, sizeof name, "release-%s/app", number);
    release_install(lab_path(name), number);
    snprintf(name, sizeof name, "release-%s/data", number);
    int fd = open(lab_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK_INT(write(fd, number, strlen(number)), ==, (ssize_t)strlen(number));
    close(fd);
}

static void point_current_to(const char *release)
{
    const char *next = lab_path("next");
    CHECK_INT(symlink(release, next), ==, 0);
    CHECK_INT(rename(next, lab_path("current")), ==, 0);
}

void test_main(void)
{
    static char pwd[300];
    make_release("1");
    make_release("2");
    point_current_to("release-1");
    snprintf(pwd, sizeof pwd, "PWD=%s", lab_path("current"));
    app *a = app_start(.control = true, .directory = lab_path("current"), .env = (const char *const[]){pwd, NULL},
                       .program = "./app");
    app_wait_out(a, "master ready");
    app_wait_out(a, "worker 0: program 1 data 1");

    point_current_to("release-2");
    for (int crash = 1; crash <= 2; crash++) {
        lab_kill(a, 0, SIGKILL);
        app_wait_out_times(a, "re:^worker 0: program", 1 + crash);
    }
    app_expect_out_count(a, "worker 0: program 1 data 1", 3);

    app_ctl(a, "restart");
    app_wait_out(a, "worker 0: program 2 data 2");
    lab_finish_restart(a);
    lab_kill(a, 0, SIGKILL);
    app_wait_out_times(a, "re:^worker 0: program", 5);
    app_expect_out_count(a, "worker 0: program 2 data 2", 2);
    app_stop(a);
}
