#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "connection.h"

static bool wait_readable(const struct connection *c, uint64_t deadline_ns)
{
    struct pollfd wait = {.fd = c->fd, .events = POLLIN};
    uint64_t now = now_ns();
    int left_ms = now >= deadline_ns ? 0 : (int)((deadline_ns - now) / 1000000u);
    return poll(&wait, 1, left_ms) == 1;
}

/* STALL is settled once the first bytes are here, IDLE once the whole response was read. */
static bool settle(const struct plan *plan, struct connection *c, uint64_t deadline_ns)
{
    uint64_t bytes = 0;
    enum response response = RESPONSE_PENDING;
    if (plan->mode == STALL) {
        char byte;
        return wait_readable(c, deadline_ns) && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
    }
    while (response == RESPONSE_PENDING && wait_readable(c, deadline_ns))
        response = receive_response(c, plan->expected, &bytes);
    return response == RESPONSE_COMPLETE;
}

static bool is_alive(const struct plan *plan, const struct connection *c)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return plan->mode == STALL ? n == 1 : n < 0 && errno == EAGAIN;
}

static void wait_for_stdin_to_close(void)
{
    char ignored[64];
    while (!abandoned && read(STDIN_FILENO, ignored, sizeof ignored) > 0)
        continue;
}

int hold_connections(const struct plan *plan)
{
    uint64_t deadline_ns = now_ns() + (uint64_t)(plan->limit * 1e9);
    size_t held = 0, failed = 0, dropped = 0;
    struct connection *all = calloc(plan->connections, sizeof *all);
    if (!all)
        return 1;
    for (size_t i = 0; i < plan->connections; i++)
        if (!open_connection(&all[i], plan->port, plan->receive_buffer) ||
            !send_request(&all[i], plan->paths[i % plan->path_count]))
            close_connection(&all[i]);
    for (size_t i = 0; i < plan->connections; i++) {
        if (all[i].fd >= 0 && settle(plan, &all[i], deadline_ns)) {
            held++;
            continue;
        }
        close_connection(&all[i]);
        failed++;
    }
    printf("{\"held\":%zu,\"failed\":%zu}\n", held, failed);
    fflush(stdout);

    wait_for_stdin_to_close();
    for (size_t i = 0; i < plan->connections; i++)
        dropped += all[i].fd >= 0 && !is_alive(plan, &all[i]);
    printf("{\"dropped\":%zu}\n", dropped);
    return failed + dropped > 0;
}
