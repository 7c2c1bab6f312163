#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client.h"
#include "connection.h"

enum { MAX_EVENTS = 128, WAIT_MS = 50 };

struct worker {
    const struct plan *plan;
    pthread_barrier_t *connected;
    size_t number, count, open; /* open: connections that still have work */
    struct connection *connections;
    int epoll, timer;
    uint64_t start_ns;
    struct tally tally;
};

static uint64_t after(const struct worker *w, double seconds)
{
    return w->start_ns + (uint64_t)(seconds * 1e9);
}

static void record(struct tally *t, uint64_t begin_ns)
{
    uint64_t now = now_ns();
    if (t->latency_count == t->latency_room) {
        t->latency_room = t->latency_room ? t->latency_room * 2 : 4096;
        t->latency_us = realloc(t->latency_us, t->latency_room * sizeof *t->latency_us);
        if (!t->latency_us)
            abort();
    }
    t->latency_us[t->latency_count++] = (uint32_t)((now - begin_ns) / 1000);
    t->last_ns = now;
    t->requests++;
}

static bool connect_and_watch(struct worker *w, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (!open_connection(c, w->plan->port, w->plan->receive_buffer))
        return false;
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0)
        return true;
    close_connection(c);
    return false;
}

/* Bytes after the last response belong to a body that was too long. */
static void retire(struct worker *w, struct connection *c)
{
    char byte;
    if (c->fd >= 0 && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        w->tally.failed++;
    close_connection(c);
    w->open--;
}

static bool has_more(const struct worker *w, const struct connection *c, uint64_t now)
{
    if (w->plan->requests > 0 && c->started >= w->plan->requests)
        return false;
    return w->plan->seconds <= 0 || now < after(w, w->plan->seconds);
}

/* Paced requests are due at fixed times, so that a stall of the server affects every request that it delays. */
static uint64_t due_ns(const struct worker *w, const struct connection *c)
{
    double turn = (double)(c->started * w->plan->connections + c->index);
    return w->start_ns + (uint64_t)(turn * 1e9 / w->plan->pace);
}

/* Starts the connection's next request, waits for its time, or retires the connection. */
static void proceed(struct worker *w, struct connection *c)
{
    const struct plan *plan = w->plan;
    for (;;) {
        uint64_t now = now_ns();
        if (!has_more(w, c, now)) {
            retire(w, c);
            return;
        }
        if (plan->pace > 0 && now < due_ns(w, c))
            return;
        c->begin_ns = plan->pace > 0 ? due_ns(w, c) : now;
        const char *path = plan->paths[(c->index + c->started) % plan->path_count];
        if (c->fd >= 0 && send_request(c, path))
            return;
        w->tally.failed++;
        close_connection(c);
        if (!connect_and_watch(w, c)) {
            w->open--;
            return;
        }
    }
}

static void receive(struct worker *w, struct connection *c)
{
    enum response response = receive_response(c, w->plan->expected, &w->tally.bytes);
    if (response == RESPONSE_PENDING)
        return;
    if (response == RESPONSE_COMPLETE) {
        record(&w->tally, c->begin_ns);
        c->busy = c->in_body = false;
        c->header_length = 0;
    } else {
        w->tally.failed++;
        w->tally.cut_short += response == RESPONSE_SHORT;
        close_connection(c);
        if (!connect_and_watch(w, c)) {
            w->open--;
            return;
        }
    }
    proceed(w, c);
}

/* Starts what is due and sets the timer to what falls due next. */
static void keep_pace(struct worker *w)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < w->count; i++) {
        struct connection *c = &w->connections[i];
        if (c->fd < 0 || c->busy)
            continue;
        proceed(w, c);
        if (c->fd >= 0 && !c->busy && due_ns(w, c) < next)
            next = due_ns(w, c);
    }
    if (next == UINT64_MAX)
        return;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)}};
    timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void run_until_done(struct worker *w)
{
    struct epoll_event events[MAX_EVENTS];
    uint64_t limit = after(w, w->plan->limit);
    while (w->open > 0 && !abandoned) {
        int n = epoll_wait(w->epoll, events, MAX_EVENTS, WAIT_MS);
        for (int i = 0; i < n; i++) {
            uint64_t expirations;
            if (events[i].data.ptr)
                receive(w, events[i].data.ptr);
            else if (read(w->timer, &expirations, sizeof expirations) < 0)
                continue; /* set again in the meantime: the next turn of keep_pace checks the clock */
        }
        if (w->plan->pace > 0)
            keep_pace(w);
        if (now_ns() > limit) {
            w->tally.failed += w->open;
            w->tally.timed_out = true;
            return;
        }
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct epoll_event tick = {.events = EPOLLIN};
    epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->timer, &tick);
    for (size_t i = 0; i < w->count; i++) {
        struct connection *c = &w->connections[i];
        c->index = w->number + i * w->plan->threads;
        if (connect_and_watch(w, c))
            w->open++;
        else
            w->tally.failed++;
    }
    pthread_barrier_wait(w->connected);
    w->start_ns = w->tally.first_ns = w->tally.last_ns = now_ns();
    for (size_t i = 0; i < w->count; i++)
        if (w->connections[i].fd >= 0)
            proceed(w, &w->connections[i]);
    run_until_done(w);
    if (w->tally.bytes > 0 && abandoned)
        w->tally.last_ns = now_ns();
    return NULL;
}

static bool prepare(struct worker *w, const struct plan *plan, pthread_barrier_t *connected, size_t number)
{
    w->plan = plan;
    w->connected = connected;
    w->number = number;
    w->count = (plan->connections - number + plan->threads - 1) / plan->threads;
    w->connections = calloc(w->count, sizeof *w->connections);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return w->connections && w->epoll >= 0 && w->timer >= 0;
}

static void add(struct tally *total, const struct tally *one)
{
    total->requests += one->requests;
    total->bytes += one->bytes;
    total->failed += one->failed;
    total->cut_short += one->cut_short;
    total->timed_out |= one->timed_out;
    if (total->first_ns == 0 || one->first_ns < total->first_ns)
        total->first_ns = one->first_ns;
    if (one->last_ns > total->last_ns)
        total->last_ns = one->last_ns;
    if (one->latency_count == 0)
        return;
    total->latency_us = realloc(total->latency_us, (total->latency_count + one->latency_count) * sizeof(uint32_t));
    if (!total->latency_us)
        abort();
    for (size_t i = 0; i < one->latency_count; i++)
        total->latency_us[total->latency_count++] = one->latency_us[i];
}

bool run_load(const struct plan *plan, struct tally *total)
{
    pthread_barrier_t connected;
    pthread_t threads[plan->threads];
    struct worker *workers = calloc(plan->threads, sizeof *workers);
    if (!workers || pthread_barrier_init(&connected, NULL, (unsigned)plan->threads) != 0)
        return false;
    for (size_t i = 0; i < plan->threads; i++)
        if (!prepare(&workers[i], plan, &connected, i))
            return false;
    for (size_t i = 0; i < plan->threads; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            return false;
    for (size_t i = 0; i < plan->threads; i++) {
        pthread_join(threads[i], NULL);
        add(total, &workers[i].tally);
    }
    return true;
}
