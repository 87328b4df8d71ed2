/* contract 6.1, 6.3: processes below a worker: what a child closes is the child's alone, and in a drain a child finishes the request that it
   serves, in a server that forks for each connection. */
#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *own_variant;

static void answer_client(int fd)
{
    char text[256], body[96];
    int length = snprintf(body, sizeof body, "pid %d parent %d", (int)getpid(), (int)getppid());
    length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
    CHECK_INT(send(fd, text, (size_t)length, MSG_NOSIGNAL), ==, length);
}

/* The child serves its connection until that ends. */
static void child_main(int listener, int fd)
{
    CHECK_INT(close(listener), ==, 0);
    for (;;) {
        char request[1024] = "";
        ssize_t got = recv(fd, request, sizeof request - 1, 0);
        if (got <= 0)
            _exit(0);
        if (strstr(request, "/hold")) {
            say("child %d holds", (int)getpid());
            gate_wait("answer");
        }
        answer_client(fd);
    }
}

static int forking_worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), RIG_BLOCKING);
    signal(SIGCHLD, SIG_IGN);
    say("worker %u listening", cluster_worker_id());
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            child_main(listener, fd);
        close(fd);
    }
}

/* Children of a server with an event loop: they close what they have inherited, and end. */
static void close_in_child(const char *query, char *body, size_t size)
{
    int status = 0;
    pid_t child = strcmp(query, "vfork") == 0 ? vfork() : fork();
    if (child == 0) {
        for (int fd = 3; fd < 20; fd++)
            close(fd);
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), ==, child);
    snprintf(body, size, "status %d", status);
}

static int looping_worker(void)
{
    int listener = rig_listen("0.0.0.0", cluster_get_port(), 0);
    rig_route("/children", close_in_child);
    return rig_serve(&listener, 1);
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = (uint8_t)atoi(variant), .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1,
                       .shutdown_timeout_ms = 20000};
    own_variant = variant;
    return lab_main(&options, argc, argv, strstr(variant, "forking") ? forking_worker : looping_worker);
}

static app *start(const char *variant)
{
    test_case(variant);
    unlink(lab_path("gate-answer"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    for (int id = 0; id < atoi(variant); id++)
        rig_wait_listening(a, id, 1);
    return a;
}

/* The listener is served, is kept for the successor, and is out of its loop in a drain. */
static void closes_nothing(const char *variant)
{
    char path[64];
    app *a = start(variant);
    snprintf(path, sizeof path, "/children?%s", strstr(variant, "vfork") ? "vfork" : "fork");
    for (int i = 0; i < 3; i++)
        CHECK_MATCH(rig_get("127.0.0.1", a->port, path), "status 0");
    char known[256];
    snprintf(known, sizeof known, "%s", strstr(rig_get("127.0.0.1", a->port, "/cookies"), "cookies"));
    pid_t old = app_worker_pid(a, 0);
    rig_stop_process(old);
    int waiting = rig_connect("127.0.0.1", a->port);
    char text[512];
    rig_send(waiting, "/cookies");
    CHECK_INT(kill(old, SIGKILL), ==, 0);
    rig_answer(waiting, text, sizeof text);
    CHECK_MATCH(text, known);
    close(waiting);
    CHECK_MATCH(rig_get("127.0.0.1", a->port, path), "status 0");

    /* A drain after that: the old worker takes nothing. */
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold?answer");
    rig_get("127.0.0.1", a->port, "/");
    old = app_worker_pid(a, 0);
    app_ctl(a, "restart");
    pid_t new = app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 3);
    rig_wait_served_by(a, new);
    gate_open("answer");
    rig_answer(held, text, sizeof text);
    close(held);
    lab_finish_restart(a);
    app_stop(a);
}

static void finishes(const char *variant)
{
    char text[512];
    int pid = 0, parent = 0, idle;
    app *a = start(variant);
    pid_t old = app_worker_pid(a, 0);
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold");
    app_wait_out(a, "holds");
    idle = rig_connect("127.0.0.1", a->port);
    rig_send(idle, "/");
    rig_answer(idle, text, sizeof text);
    app_ctl(a, "restart");
    pid_t new = app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 2);
    CHECK_MSG(rig_ends(idle, CT_WAIT_MS), "a child's idle connection is not let go");
    for (int i = 0; i < 20; i++) {
        CHECK_INT(sscanf(rig_get("127.0.0.1", a->port, "/"), "pid %*d parent %d", &parent), ==, 1);
        CHECK_INT(parent, ==, new);
    }
    CHECK(proc_alive(old));
    gate_open("answer");
    rig_answer(held, text, sizeof text);
    CHECK_INT(sscanf(strstr(text, "\r\n\r\n"), "\r\n\r\npid %d", &pid), ==, 1);
    CHECK_MSG(strcasestr(text, "connection: close") != NULL, "the child's last answer does not announce the end:\n%s", text);
    CHECK(rig_ends(held, CT_WAIT_MS));
    WAIT_UNTIL(!proc_alive(old));
    WAIT_UNTIL(!proc_alive(pid));
    lab_finish_restart(a);
    close(held);
    close(idle);
    app_expect_err_count(a, "", 0);
    app_stop(a);
}

void test_main(void)
{
    finishes("1 forking");
    closes_nothing("1 fork");
    closes_nothing("1 vfork");
}
