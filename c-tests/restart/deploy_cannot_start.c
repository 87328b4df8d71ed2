/* contract 5.2: a new program file that is missing, may not be executed, or is no program: the restart is given up with
   an [ERROR] line, the old workers go on, crash respawn runs the old image, and a good deploy later works. */
#include "deploy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    return app_serve(&options, argc, argv);
}

static void replace_by_text(const char *path, const char *text, mode_t mode)
{
    CHECK_INT(unlink(path), ==, 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK_INT(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
    CHECK_INT(fchmod(fd, mode), ==, 0);
    close(fd);
}

void test_main(void)
{
    deployment d = deploy_start();
    test_case("missing");
    CHECK_INT(unlink(d.path), ==, 0);
    deploy_expect_failure(&d, "o such file", CT_WAIT_MS);

    test_case("not executable");
    release_install(d.path, "2");
    CHECK_INT(chmod(d.path, 0644), ==, 0);
    deploy_expect_failure(&d, "ermission denied", CT_WAIT_MS);

    test_case("a folder");
    CHECK_INT(unlink(d.path), ==, 0);
    CHECK_INT(mkdir(d.path, 0755), ==, 0);
    deploy_expect_failure(&d, "", CT_WAIT_MS);
    CHECK_INT(rmdir(d.path), ==, 0);

    test_case("no program");
    release_install(d.path, "2");
    replace_by_text(d.path, "this is no program\n", 0755);
    deploy_expect_failure(&d, "re:[Ee]xec", CT_WAIT_MS);

    test_case("an empty file");
    replace_by_text(d.path, "", 0755);
    deploy_expect_failure(&d, "re:[Ee]xec", CT_WAIT_MS);

    test_case("afterwards");
    deploy_expect_recovery(&d);
}
