/* contract 2.1, 3.2, 5.1, 6.3: a root that cannot be written: the library writes no file, and all goes as elsewhere. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>

int app_main(int argc, char **argv, const char *variant)
{
    /* The test of the test: here nothing can be made. */
    CHECK(open("/cluster-test-not-to-be", O_WRONLY | O_CREAT, 0600) < 0);
    CHECK_INT(errno, ==, EROFS);
    return box_main(argc, argv, variant);
}

void test_main(void)
{
    if (!box_can(box_read_only_root, "a read-only root"))
        return;
    app *a = box_start(.before_exec = box_read_only_root);
    box_life(a);
    app_expect_err_count(a, "[WARN]", 0);
    app_stop(a);
}
