/* Put before each example: their port 3000 is replaced by this, so that several of them can run at the same time. */
#ifndef EXAMPLE_PORT_H
#define EXAMPLE_PORT_H

#include <stdint.h>
#include <stdlib.h>

static inline uint16_t example_port(void)
{
    const char *port = getenv("EXAMPLE_PORT");
    return (uint16_t)(port ? atoi(port) : 3000);
}

#endif
