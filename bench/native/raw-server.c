/*
 * raw-server ROOT [--threads N] [--quantum BYTES]
 *
 * The upper bound with which the other servers are compared: accept, read "GET /path", open, header with MSG_MORE,
 * sendfile(2), again. One thread accepts and distributes the connections in turn; N threads (default 2) send, each with
 * its own epoll. --quantum limits one sendfile call; 0, the default, requests the rest of the file. Prints {"port":P}
 * and ends when stdin closes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 64, MAX_EVENTS = 128, BACKLOG = 4096 };

/* sendfile(2): one call moves at most this many bytes. */
static const off_t SENDFILE_MAX = 0x7ffff000;

struct connection {
    int fd;
    int file; /* -1 between responses */
    off_t offset, end;
    size_t request_length, header_length, header_sent;
    char request[2048];
    char header[384];
};

static int root_fd = -1;
static off_t quantum = SENDFILE_MAX;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static const char *http_date(void)
{
    static _Thread_local time_t shown;
    static _Thread_local char text[40];
    time_t now = time(NULL);
    if (now != shown) {
        struct tm parts;
        gmtime_r(&now, &parts);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        shown = now;
    }
    return text;
}

/* The header lines of the Node servers, in Node's order. */
static void write_header(struct connection *c, const char *status, off_t length)
{
    int n = snprintf(c->header, sizeof c->header,
                     "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %lld\r\nDate: %s\r\n"
                     "Connection: keep-alive\r\nKeep-Alive: timeout=600\r\n\r\n",
                     status, (long long)length, http_date());
    c->header_length = (size_t)n;
    c->header_sent = 0;
    c->offset = 0;
    c->end = length;
}

static bool begin_response(struct connection *c)
{
    char *path = c->request + 5;
    if (strncmp(c->request, "GET /", 5) != 0)
        return false;
    path[strcspn(path, " ?\r\n")] = '\0';
    c->request_length = 0;

    struct stat info;
    c->file = strstr(path, "..") ? -1 : openat(root_fd, path, O_RDONLY | O_CLOEXEC);
    if (c->file < 0 || fstat(c->file, &info) != 0 || !S_ISREG(info.st_mode)) {
        if (c->file >= 0)
            close(c->file);
        c->file = -1;
        write_header(c, "404 Not Found", 0);
        return true;
    }
    write_header(c, "200 OK", info.st_size);
    return true;
}

/* The three steps return 1 if done, 0 if they would block, -1 if the connection is over. */
static int read_request(struct connection *c)
{
    for (;;) {
        size_t room = sizeof c->request - 1 - c->request_length;
        ssize_t n = recv(c->fd, c->request + c->request_length, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        if (n == 0)
            return -1;
        c->request_length += (size_t)n;
        c->request[c->request_length] = '\0';
        if (strstr(c->request, "\r\n\r\n"))
            return begin_response(c) ? 1 : -1;
    }
}

static int send_header(struct connection *c)
{
    while (c->header_sent < c->header_length) {
        int more = c->end > 0 ? MSG_MORE : 0;
        ssize_t n = send(c->fd, c->header + c->header_sent, c->header_length - c->header_sent, MSG_NOSIGNAL | more);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        c->header_sent += (size_t)n;
    }
    return 1;
}

static int send_body(struct connection *c)
{
    while (c->offset < c->end) {
        off_t rest = c->end - c->offset;
        ssize_t n = sendfile(c->fd, c->file, &c->offset, (size_t)(rest < quantum ? rest : quantum));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        if (n == 0)
            return -1; /* the file was truncated: the announced length cannot be met */
    }
    if (c->file >= 0)
        close(c->file);
    c->file = -1;
    c->header_length = 0;
    return 1;
}

static void advance(struct connection *c)
{
    int step = 1;
    while (step == 1) {
        if (c->header_length == 0)
            step = read_request(c);
        if (step == 1)
            step = send_header(c);
        if (step == 1)
            step = send_body(c);
    }
    if (step < 0) {
        if (c->file >= 0)
            close(c->file);
        close(c->fd);
        free(c);
    }
}

static void *send_loop(void *argument)
{
    int epoll = *(int *)argument;
    struct epoll_event events[MAX_EVENTS];
    for (;;) {
        int n = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int i = 0; i < n; i++)
            advance(events[i].data.ptr);
    }
    return NULL;
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, BACKLOG) != 0)
        die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("{\"port\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void accept_into(int listener, const int *epolls, int threads)
{
    static int turn;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            die("calloc");
        c->fd = fd;
        c->file = -1;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        if (epoll_ctl(epolls[turn++ % threads], EPOLL_CTL_ADD, fd, &event) != 0)
            die("epoll_ctl");
    }
}

static void accept_until_stdin_closes(int listener, const int *epolls, int threads)
{
    struct pollfd waits[2] = {{.fd = listener, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    char ignored[64];
    for (;;) {
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
            return;
        if (waits[0].revents)
            accept_into(listener, epolls, threads);
    }
}

int main(int argc, char **argv)
{
    static int epolls[MAX_THREADS];
    int threads = 2;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0)
            threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--quantum") == 0 && atoll(argv[i + 1]) > 0)
            quantum = atoll(argv[i + 1]);
    }
    if (argc < 2 || argc % 2 != 0 || threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: raw-server ROOT [--threads 1..%d] [--quantum BYTES]\n", MAX_THREADS);
        return 2;
    }
    if ((root_fd = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        die(argv[1]);
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no MSG_NOSIGNAL */

    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        if ((epolls[i] = epoll_create1(EPOLL_CLOEXEC)) < 0 || pthread_create(&thread, NULL, send_loop, &epolls[i]) != 0)
            die("thread");
    }
    accept_until_stdin_closes(listen_on_loopback(), epolls, threads);
    return 0;
}
