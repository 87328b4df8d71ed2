/* contract 2.2, 2.4: a worker sees the same arguments and the same environment as the master, but for ECEWO_WORKER_ID, which is there
 * from the beginning, and ECEWO_WORKER, which is not. */
#include "harness.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static bool has_entry(char *const *list, const char *entry)
{
    for (; *list; list++)
        if (strcmp(*list, entry) == 0)
            return true;
    return false;
}

/* The strings of a file of /proc that separates them by NUL. */
static char **strings_of(pid_t pid, const char *file)
{
    static char text[2][128 * 1024];
    static char *list[2][4096];
    static int turn = 0;
    size_t length = 0, used = 0;
    turn = !turn;
    CHECK(proc_read(pid, file, text[turn], sizeof text[turn], &length));
    for (char *at = text[turn]; at < text[turn] + length && used < 4095; at += strlen(at) + 1)
        list[turn][used++] = at;
    list[turn][used] = NULL;
    return list[turn];
}

/* The master's environment as it was executed with is what the kernel shows of it. */
static void compare_environment(void)
{
    char **masters = strings_of(getppid(), "environ");
    CHECK(has_entry(masters, "ECEWO_WORKER=1")); /* else this comparison says nothing */
    for (char **own = environ; *own; own++)
        CHECK_MSG(strncmp(*own, "ECEWO_WORKER_ID=", 16) == 0 || has_entry(masters, *own), "additional in a worker: %s", *own);
    for (char **his = masters; *his; his++)
        CHECK_MSG(strncmp(*his, "ECEWO_WORKER", 12) == 0 || has_entry(environ, *his), "missing in a worker: %s", *his);
    CHECK(getenv("ECEWO_WORKER") == NULL);
}

static void compare_arguments(int argc, char **argv)
{
    char **masters = strings_of(getppid(), "cmdline");
    for (int i = 0; i < argc; i++) {
        CHECK(masters[i] != NULL);
        CHECK_STR(argv[i], masters[i]);
    }
    CHECK(argv[argc] == NULL);
    CHECK(masters[argc] == NULL);
    /* What the kernel shows of the worker is the same: no memory of argv was overwritten. */
    char **own = strings_of(getpid(), "cmdline");
    for (int i = 0; i < argc; i++)
        CHECK_STR(own[i], argv[i]);
}

int app_main(int argc, char **argv, const char *variant)
{
    const char *id = getenv("ECEWO_WORKER_ID");
    bool stray = strcmp(variant, "stray id") == 0 && id && strcmp(id, "77") == 0;
    Cluster options = {.cpus = 3, .port = app_port(argv), .respawn = true};
    if (id && !stray) {
        compare_environment();
        compare_arguments(argc, argv);
    }
    if (stray || !id)
        return app_serve(&options, argc, argv);
    CHECK(!cluster_is_worker()); /* not before cluster_init: contract 1.5 */
    CHECK(!cluster_init(&options, argc, argv));
    CHECK_INT(cluster_worker_id(), ==, atoi(id));
    CHECK(cluster_is_worker());
    return server_serve(cluster_get_port());
}

void test_main(void)
{
    static const char *const arguments[] = {"--option=a b", "", "\xc3\xa4\n", "--", NULL};
    static const char *const with_flag[] = {"ECEWO_WORKER=1", "CT_EMPTY=", NULL};
    static const char *const with_stray[] = {"ECEWO_WORKER=1", "ECEWO_WORKER_ID=77", NULL};

    test_case("arguments and environment");
    app *a = app_start(.variant = "plain", .args = arguments, .env = with_flag);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 3);
    app_stop(a);
    app_expect_err_count(a, "", 0);

    test_case("a program that was started with somebody else's ECEWO_WORKER_ID is a master all the same");
    a = app_start(.variant = "stray id", .env = with_stray);
    app_wait_out(a, "master ready");
    app_wait_serving(a, 3);
    app_stop(a);
    app_expect_err_count(a, "", 0);
}
