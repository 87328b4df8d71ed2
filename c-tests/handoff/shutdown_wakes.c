/* contract 6.2, 6.3: shutdown() of a listener wakes the threads that are blocked in its accept with EINVAL, also behind a closed gate and
   through a duplicate. It acts on this worker alone: the replacement goes on accepting. */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 3

static const char *own_variant;
static int listener, copy;

static void *thread_main(void *unused)
{
    (void)unused;
    for (;;) {
        char request[1024], text[256], body[64];
        int client = accept(strstr(own_variant, "accept duplicate") ? copy : listener, NULL, NULL);
        if (client < 0) {
            CHECK_INT(errno, ==, EINVAL);
            say("worker %u woken", cluster_worker_id());
            return NULL;
        }
        CHECK_INT(recv(client, request, sizeof request, 0), >=, 0);
        if (strstr(request, "hold"))
            gate_wait("hold");
        int length = snprintf(body, sizeof body, "pid %d", (int)getpid());
        length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body);
        CHECK_INT(send(client, text, (size_t)length, MSG_NOSIGNAL), ==, length);
        close(client);
    }
}

/* On SIGUSR1 it shuts its listener down, and joins its threads. */
static int worker(void)
{
    pthread_t threads[THREADS];
    sigset_t mask;
    int number;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    listener = rig_listen("0.0.0.0", cluster_get_port(), RIG_BLOCKING);
    copy = dup(listener);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, thread_main, NULL), ==, 0);
    say("worker %u listening", cluster_worker_id());
    CHECK_INT(sigwait(&mask, &number), ==, 0);
    CHECK_INT(shutdown(strstr(own_variant, "shutdown duplicate") ? copy : listener, SHUT_RDWR), ==, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), ==, 0);
    say("worker %u has joined", cluster_worker_id());
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 1, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, .shutdown_timeout_ms = 20000};
    own_variant = variant;
    return lab_main(&options, argc, argv, worker);
}

static void in_a_drain(const char *variant)
{
    test_case(variant);
    unlink(lab_path("gate-hold"));
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    pid_t old = app_worker_pid(a, 0);
    int held = rig_connect("127.0.0.1", a->port);
    rig_send(held, "/hold");
    app_ctl(a, "restart");
    pid_t new = app_wait_new_pid(a, 0, old);
    rig_wait_listening(a, 0, 2);
    int pid = 0;
    rig_wait_served_by(a, new);
    CHECK_INT(kill(old, SIGUSR1), ==, 0);
    app_wait_out_times(a, "worker 0 woken", THREADS - 1);
    /* The others' use of the socket has not ended. */
    for (int i = 0; i < 20; i++) {
        CHECK_INT(sscanf(rig_get("127.0.0.1", a->port, "/"), "pid %d", &pid), ==, 1);
        CHECK_INT(pid, ==, new);
    }
    gate_open("hold");
    char text[512];
    rig_answer(held, text, sizeof text);
    WAIT_UNTIL(!proc_alive(old));
    lab_finish_restart(a);
    close(held);
    app_expect_err_count(a, "CHECK", 0);
    app_stop(a);
}

static void outside(const char *variant)
{
    test_case("outside a drain");
    app *a = app_start(.variant = variant, .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    rig_get("127.0.0.1", a->port, "/");
    CHECK_INT(kill(app_worker_pid(a, 0), SIGUSR1), ==, 0);
    app_wait_out_times(a, "worker 0 woken", THREADS);
    app_wait_out(a, "worker 0 has joined");
    app_expect_err_count(a, "CHECK", 0);
    rig_crash(a, 0); /* its successor listens anew */
    rig_get("127.0.0.1", a->port, "/");
    app_stop(a);
}

/* Without the library, a listener that is shut down refuses: nobody is to wait where nobody accepts. */
static void refuses(void)
{
    test_case("shut down: refused");
    app *a = app_start(.variant = "plain", .control = true, .env = lab_env());
    app_wait_out(a, "master ready");
    rig_wait_listening(a, 0, 1);
    CHECK_INT(kill(app_worker_pid(a, 0), SIGUSR1), ==, 0);
    app_wait_out(a, "worker 0 has joined");
    WAIT_UNTIL(rig_refused("127.0.0.1", a->port));
    app_stop(a);
}

void test_main(void)
{
    outside("plain");
    in_a_drain("plain");
    in_a_drain("accept duplicate");
    outside("accept duplicate");
    refuses();
    in_a_drain("shutdown duplicate");
}
