/* contract 2.6: every line of the library goes to stderr in one write; nothing goes to stdout. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

int app_main(int argc, char **argv, const char *variant)
{
    (void)variant;
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, .respawn_window_sec = 50};
    return app_serve(&options, argc, argv);
}

static void check_packet(const char *packet, size_t size)
{
    char text[1024];
    memcpy(text, packet, size < sizeof text ? size : sizeof text - 1);
    text[size < sizeof text ? size : sizeof text - 1] = '\0';
    CHECK_MSG(size > 1 && packet[size - 1] == '\n', "a write without the end of its line: \"%s\"", text);
    CHECK_MSG(memchr(packet, '\n', size) == packet + size - 1, "a write of more than one line: \"%s\"", text);
    CHECK_MSG(packet[0] == '[', "a write that does not begin a line: \"%s\"", text);
}

void test_main(void)
{
    /* A crash, two crash lines at a time, a disabled worker, errors of the interface, a restart, a shutdown. */
    app *a = app_start(.control = true, .stderr_packets = true);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 2);
    app_ctl(a, "signal 0");
    pid_t pid = 0;
    for (int crash = 1; crash <= 3; crash++) {
        pid = app_wait_new_pid(a, 1, pid);
        kill(pid, SIGKILL);
        app_wait_err_times(a, "Worker 1 crashed", crash);
    }
    app_wait_err(a, "disabling respawn");
    size_t mark = app_mark_out(a);
    app_ctl(a, "restart");
    app_wait_out_since(a, mark, "worker 1 listening");
    WAIT_UNTIL(ctl_field(app_ctl(a, "stats"), "restart") == 0);
    app_stop(a);

    size_t size = 0, packets = 0;
    for (const char *packet; (packet = app_packet(a, packets, &size)) != NULL; packets++)
        check_packet(packet, size);
    CHECK_INT(packets, >=, 5);
    int lines = app_count_out(a, ""), own = app_count_out(a, "re:^(master ready|master done|worker [01] listening|ctl#.*)$");
    CHECK_INT(lines, ==, own);
}
