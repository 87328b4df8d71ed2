/* contract 2.1, 3.2, 4.1, 5.1, 6.3: a user of no rights, no capabilities to speak of, and no way to gain any: all goes as elsewhere. */
#include "box.h"

#include <sys/prctl.h>
#include <unistd.h>

static void enter(void)
{
    become_unprivileged();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        _exit(125);
}

int app_main(int argc, char **argv, const char *variant)
{
    CHECK(geteuid() != 0);
    return box_main(argc, argv, variant);
}

void test_main(void)
{
    app *a = box_start(.before_exec = enter);
    box_life(a);
    app_expect_err_count(a, "[WARN]", 0);
    app_stop(a);
}
