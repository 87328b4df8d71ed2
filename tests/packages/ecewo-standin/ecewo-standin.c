#include "ecewo-standin.h"

int ecewo_standin_answer(void)
{
    return 42;
}
