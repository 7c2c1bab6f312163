/* The plan of the client, and the results of its threads. */
#ifndef CLIENT_H
#define CLIENT_H
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_PATHS = 64 };

struct plan {
    int port;
    size_t connections, threads;
    uint64_t requests; /* for each connection; 0 = until seconds are over */
    double seconds;    /* 0 = until the requests are done */
    double limit;      /* seconds after which everything still running has failed */
    double pace;       /* requests per second over all connections; 0 = the next one at once */
    int64_t expected;  /* Content-Length every response must have; -1 = any */
    int receive_buffer;
    size_t path_count;
    const char *paths[MAX_PATHS]; /* request k of connection i asks for path (i + k) modulo their number */
    enum { LOAD, STALL, IDLE } mode;
};

struct tally {
    uint64_t requests, bytes, failed, cut_short;
    uint64_t first_ns, last_ns;
    bool timed_out;
    uint32_t *latency_us;
    size_t latency_count, latency_room;
};

/* Set by SIGTERM and SIGINT: end now, what is running is neither done nor failed. */
extern volatile sig_atomic_t abandoned;

/* Runs the load on plan->threads threads and adds their tallies up. False if a thread or its epoll could not be made. */
bool run_load(const struct plan *plan, struct tally *total);

/* STALL: one request on each connection, nothing is read. IDLE: one whole response on each. Both hold until stdin closes. */
int hold_connections(const struct plan *plan);
#endif
