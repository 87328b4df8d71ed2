/* contract 2.1, 2.6, 3.2, 5.1, 6.3: without /proc the cluster lives as elsewhere, and says once what it cannot do; processes below a worker are
   waited for; a program that was started by a descriptor, and so cannot be found without /proc, is refused with a line that says why. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A server that forks for each connection; the child answers when the gate is open. */
static int forking_worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), RIG_BLOCKING);
    signal(SIGCHLD, SIG_IGN);
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pid_t child = fd >= 0 ? fork() : -1;
        if (child == 0) {
            static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nchild";
            char request[512];
            if (recv(fd, request, sizeof request, 0) <= 0)
                _exit(0);
            say("child holds");
            gate_wait("answer");
            _exit(send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0);
        }
        if (fd >= 0)
            close(fd);
    }
}

int app_main(int argc, char **argv, const char *variant)
{
    if (strcmp(variant, "by descriptor") == 0) {
        /* A program that replaces itself, as fexecve does. */
        extern char **environ;
        int self = open(argv[4], O_PATH | O_CLOEXEC);
        argv[1] = "app:found by descriptor";
        syscall(SYS_execveat, self, "", argv, environ, AT_EMPTY_PATH);
        return 1;
    }
    CHECK(access("/proc/self", F_OK) != 0);
    if (strcmp(variant, "below") == 0) {
        Cluster options = {.cpus = 1, .port = app_port(argv), .shutdown_timeout_ms = 20000};
        return lab_main(&options, argc, argv, forking_worker);
    }
    return box_main(argc, argv, variant);
}

static void lives(void)
{
    test_case("its life");
    app *a = box_start(.before_exec = box_without_proc);
    box_life(a);
    app_expect_err_count(a, "re:^\\[WARN\\] /proc is not mounted: ", 1);
    app_stop(a);
}

static void waits_for_processes_below(void)
{
    test_case("processes below a worker");
    char text[512];
    unlink(lab_path("gate-answer"));
    app *a = box_start(.before_exec = box_without_proc, .variant = "below");
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    pid_t old = app_worker_pid(a, 0);
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/");
    app_wait_out(a, "child holds");
    app_ctl(a, "restart");
    app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 2);
    lab_wait_for(1000); /* a worker that waits for nobody would be gone by now */
    CHECK_MSG(proc_alive(old), "the worker did not wait for the process below it");
    gate_open("answer");
    rig_answer(held, text, sizeof text);
    CHECK_MATCH(text, "child");
    lab_finish_restart(a);
    close(held);
    app_stop(a);
}

static void is_found(void)
{
    test_case("started by a descriptor");
    const char *program = copy_program();
    const char *args[] = {program, NULL};
    app *a = box_start(.before_exec = box_without_proc, .variant = "by descriptor", .args = args, .program = program);
    app_wait_out(a, "init failed");
    app_wait_err(a, "re:^\\[ERROR\\] .*/proc");
    app_expect_exit(a, 3);
}

void test_main(void)
{
    if (!box_can(box_without_proc, "a system without /proc"))
        return;
    lives();
    waits_for_processes_below();
    is_found();
}
