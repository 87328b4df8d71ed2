/* contract 5.2: a listener on a port that the system chose, for the program asked for port 0 or did not bind at all, is another one in
   every worker: no replacement is expected to listen there. */
#include "lab.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool on_port = false, bound = false;

static int worker(void)
{
    lab_obey();
    if (on_port)
        plain_listen("0.0.0.0", cluster_get_port());
    if (bound)
        plain_listen("127.0.0.1", 0);
    else
        CHECK_INT(listen(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 8), ==, 0);
    say("worker %u listening", cluster_worker_id());
    lab_sleep_for_ever();
}

int app_main(int argc, char **argv, const char *variant)
{
    Cluster options = {.cpus = 2, .port = app_port(argv), .respawn = true, .worker_respawn_delay_ms = 1, LAB_EVENTS};
    on_port = strstr(variant, "beside") != NULL;
    bound = strstr(variant, "port 0") != NULL;
    return lab_main(&options, argc, argv, worker);
}

static void restart(const char *variant)
{
    test_case(variant);
    app *a = app_start(.control = true, .variant = variant);
    app_wait_out(a, "master ready");
    lab_wait_listening(a, 2);
    pid_t old = lab_kill(a, 1, SIGKILL); /* its successor inherits what is expected of the replacement */
    lab_wait_new_pid(a, 1, old);
    app_wait_out_times(a, "worker 1 listening", 2);
    app_ctl(a, "restart");
    app_wait_out(a, "event exit 1 143 graceful");
    lab_finish_restart(a);
    lab_expect_events(a, "start 0; start 1; exit 1 137 crash; start 1; "
                         "start 0; exit 0 143 graceful; start 1; exit 1 143 graceful");
    app_expect_err_count(a, "[ERROR]", 1);
    app_stop(a);
}

void test_main(void)
{
    restart("port 0 beside the cluster's port");
    restart("unbound beside the cluster's port");
    restart("port 0 alone");
    restart("unbound alone");
}
