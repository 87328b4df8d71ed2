/* contract 6.2: a program finds its listener blocking or non-blocking as it has made it, in the first worker and in its successors, also
   through a duplicate; and fcntl and ioctl change it. Descriptor number and close-on-exec are the program's, too. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_non_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    CHECK_INT(flags, >=, 0);
    CHECK_INT(flags & O_ACCMODE, ==, O_RDWR);
    return (flags & O_NONBLOCK) != 0;
}

static void expect_eagain(int fd)
{
    errno = 0;
    CHECK_INT(accept(fd, NULL, NULL), ==, -1);
    CHECK_INT(errno, ==, EAGAIN);
}

static void check_changes(int fd)
{
    int on = 1, off = 0;
    CHECK_INT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), ==, 0);
    CHECK(is_non_blocking(fd));
    expect_eagain(fd);
    CHECK_INT(ioctl(fd, FIONBIO, &off), ==, 0);
    CHECK(!is_non_blocking(fd));
    CHECK_INT(ioctl(fd, FIONBIO, &on), ==, 0);
    CHECK(is_non_blocking(fd));
    expect_eagain(fd);
    CHECK_INT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), ==, 0);
    CHECK(!is_non_blocking(fd));
}

/* One open file has one set of flags, whatever number it is reached by. */
static void check_duplicate(int fd)
{
    int copy = dup(fd);
    CHECK_INT(copy, >=, 0);
    CHECK_MSG(!is_non_blocking(copy), "the duplicate of a blocking listener is non-blocking");
    CHECK_INT(fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK), ==, 0);
    CHECK(is_non_blocking(copy));
    CHECK_MSG(is_non_blocking(fd), "what is set through the duplicate is not seen through the original");
    CHECK_INT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), ==, 0);
    CHECK(!is_non_blocking(fd));
    CHECK_MSG(!is_non_blocking(copy), "what is set through the original is not seen through the duplicate");
}

static int worker_of(const char *variant)
{
    uint16_t port = cluster_get_port();
    /* Blocking, with descriptors that are not the lowest, and with either close-on-exec flag. */
    int blocking = socket(AF_INET, SOCK_STREAM, 0), kept = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    CHECK_INT(dup2(blocking, 77), ==, 77);
    close(blocking);
    CHECK_INT(setsockopt(77, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), ==, 0);
    CHECK_INT(rig_bind_to(77, "127.0.0.2", port), ==, 0);
    CHECK(!is_non_blocking(77));
    CHECK_INT(listen(77, 10), ==, 0);
    CHECK(!is_non_blocking(77));
    CHECK_INT(fcntl(77, F_GETFD), ==, 0);
    CHECK_INT(setsockopt(kept, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), ==, 0);
    CHECK_INT(rig_bind_to(kept, "127.0.0.3", port), ==, 0);
    CHECK_INT(listen(kept, 10), ==, 0);
    CHECK_INT(fcntl(kept, F_GETFD), ==, FD_CLOEXEC);
    int loud = rig_listen("127.0.0.4", port, 0);
    CHECK(is_non_blocking(loud));
    expect_eagain(loud);
    check_changes(77);
    check_changes(kept);
    if (strcmp(variant, "duplicate") == 0)
        check_duplicate(77);
    int listener = rig_listen("127.0.0.1", port, 0);
    return rig_serve(&listener, 1);
}

static const char *own_variant;

static int worker(void)
{
    return worker_of(own_variant);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1};
    own_variant = variant;
    return lab_main(&options, argc, argv, worker);
}

static void one(const char *variant)
{
    test_case(variant);
    app *a = app_start(.variant = variant, .control = true);
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    rig_crash(a, 0);
    rig_restart(a);
    rig_wait_listening(a, 0, 3);
    app_expect_err_count(a, "CHECK", 0);
    app_stop(a);
}

void test_main(void)
{
    one("plain");
    one("duplicate");
}
