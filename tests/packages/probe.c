/*
 * probe port             prints a port that nobody uses
 * probe get PORT PATH    prints the answer to one HTTP request on a new connection; exit code 1 if there is none in 3 s
 *
 * So that the tests need neither curl nor an interpreter. 127.0.0.1 only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static int print_free_port(int s)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
    socklen_t length = sizeof address;
    if (bind(s, (struct sockaddr *)&address, length) != 0 || getsockname(s, (struct sockaddr *)&address, &length) != 0)
        return fail("probe: bind");
    printf("%d\n", ntohs(address.sin_port));
    return 0;
}

static int get(int s, int port, const char *path)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval limit = { .tv_sec = 3 };
    char buffer[4096];
    ssize_t n, total = 0;
    address.sin_port = htons((uint16_t)port);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(s, (struct sockaddr *)&address, sizeof address) != 0)
        return fail("probe: connect");
    int length = snprintf(buffer, sizeof buffer, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    if (send(s, buffer, (size_t)length, MSG_NOSIGNAL) != length)
        return fail("probe: send");
    while ((n = recv(s, buffer, sizeof buffer, 0)) > 0) {
        fwrite(buffer, 1, (size_t)n, stdout);
        total += n;
    }
    if (n < 0)
        return fail("probe: recv");
    return total == 0;
}

int main(int argc, char **argv)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        return fail("probe: socket");
    if (argc == 2 && strcmp(argv[1], "port") == 0)
        return print_free_port(s);
    if (argc == 4 && strcmp(argv[1], "get") == 0)
        return get(s, atoi(argv[2]), argv[3]);
    fprintf(stderr, "usage: probe port | probe get PORT PATH\n");
    return 2;
}
