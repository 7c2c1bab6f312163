#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Maximum of bytes discarded in one turn, so that no connection starves others. */
static const uint64_t DISCARD_MAX = 4 << 20;

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool open_connection(struct connection *c, int port, int receive_buffer)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->busy = c->in_body = false;
    c->header_length = 0;
    if (c->fd < 0)
        return false;
    /* tcp(7): the receive buffer has to be set before connect. */
    if (receive_buffer > 0)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) {
        close_connection(c);
        return false;
    }
    return true;
}

void close_connection(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->busy = false;
}

bool send_request(struct connection *c, const char *path)
{
    char request[1024];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    c->busy = true;
    c->in_body = false;
    c->header_length = 0;
    c->started++;
    return send(c->fd, request, (size_t)length, MSG_NOSIGNAL) == length;
}

/* Reads status and Content-Length once the header is whole, and accounts for the part of the body behind it. */
static enum response parse_header(struct connection *c, int64_t expected, uint64_t *bytes)
{
    c->header[c->header_length] = '\0';
    if (strncmp(c->header, "HTTP/1.1 200 ", c->header_length < 13 ? c->header_length : 13) != 0)
        return RESPONSE_FAILED;
    char *end = strstr(c->header, "\r\n\r\n");
    if (!end)
        return c->header_length == sizeof c->header - 1 ? RESPONSE_FAILED : RESPONSE_PENDING;
    *end = '\0';
    const char *field = strcasestr(c->header, "\r\ncontent-length:");
    if (!field)
        return RESPONSE_FAILED;
    uint64_t length = strtoull(field + strlen("\r\ncontent-length:"), NULL, 10);
    uint64_t arrived = (uint64_t)(c->header + c->header_length - (end + 4));
    if ((expected >= 0 && length != (uint64_t)expected) || arrived > length)
        return RESPONSE_FAILED;
    c->in_body = true;
    c->remaining = length - arrived;
    *bytes += arrived;
    return c->remaining == 0 ? RESPONSE_COMPLETE : RESPONSE_PENDING;
}

static enum response interrupted(ssize_t received)
{
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        return RESPONSE_PENDING;
    return RESPONSE_SHORT;
}

static enum response receive_header(struct connection *c, int64_t expected, uint64_t *bytes)
{
    ssize_t n = recv(c->fd, c->header + c->header_length, sizeof c->header - 1 - c->header_length, 0);
    if (n <= 0)
        return interrupted(n);
    c->header_length += (size_t)n;
    return parse_header(c, expected, bytes);
}

enum response receive_response(struct connection *c, int64_t expected, uint64_t *bytes)
{
    if (!c->in_body) {
        enum response header = receive_header(c, expected, bytes);
        if (header != RESPONSE_PENDING || !c->in_body)
            return header;
    }
    /* tcp(7): with MSG_TRUNC the bytes are dropped from the queue and copied nowhere. */
    uint64_t most = c->remaining < DISCARD_MAX ? c->remaining : DISCARD_MAX;
    ssize_t n = recv(c->fd, NULL, most, MSG_TRUNC);
    if (n <= 0)
        return interrupted(n);
    *bytes += (uint64_t)n;
    c->remaining -= (uint64_t)n;
    return c->remaining == 0 ? RESPONSE_COMPLETE : RESPONSE_PENDING;
}
