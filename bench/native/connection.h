/* One keep-alive HTTP/1.1 connection that discards the bodies. */
#ifndef CONNECTION_H
#define CONNECTION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection {
    int fd; /* -1 while not connected */
    size_t index;
    uint64_t started;   /* requests begun */
    uint64_t begin_ns;  /* when the running request was sent, or was due when paced */
    bool busy;          /* a request is running */
    bool in_body;
    uint64_t remaining; /* body bytes not yet received */
    size_t header_length;
    char header[8192];
};

enum response {
    RESPONSE_PENDING,
    RESPONSE_COMPLETE,
    RESPONSE_SHORT,  /* the connection ended before the body did */
    RESPONSE_FAILED, /* no connection, not 200, no Content-Length, or a length other than the expected one */
};

/* Monotonic clock, ns. */
uint64_t now_ns(void);

/* Connects to 127.0.0.1:port and makes the socket non-blocking. receive_buffer > 0 sets SO_RCVBUF. */
bool open_connection(struct connection *c, int port, int receive_buffer);
void close_connection(struct connection *c);

/* Sends one GET. False if the socket did not take all of it. */
bool send_request(struct connection *c, const char *path);

/* Reads at most a few MiB. Adds the body bytes to *bytes. expected < 0 accepts any Content-Length. */
enum response receive_response(struct connection *c, int64_t expected, uint64_t *bytes);
#endif
