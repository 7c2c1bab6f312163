/*
 * client --port P --path /FILE [--path /FILE ...] [options]
 *
 *   --connections N     keep-alive connections (1)
 *   --threads N         threads they are spread over (1)
 *   --requests N        requests on each connection
 *   --seconds S         or: start requests for this long, then finish the running ones
 *   --limit S           requests still running after this have failed (120)
 *   --pace N            requests per second in total, at fixed times; latency counts from when a request was due
 *   --expect BYTES      the Content-Length every response must have
 *   --receive-buffer B  SO_RCVBUF
 *   --stall | --idle    open the connections and hold them until stdin closes (see client.h)
 *
 * Discards every body inside the kernel and checks its length. Prints one JSON line; SIGTERM ends a load early.
 */
#define _GNU_SOURCE
#include "client.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

volatile sig_atomic_t abandoned;

static void abandon(int signal_number)
{
    (void)signal_number;
    abandoned = 1;
}

static const struct option OPTIONS[] = {
    {"port", required_argument, NULL, 'p'},     {"path", required_argument, NULL, 'f'},
    {"connections", required_argument, NULL, 'c'}, {"threads", required_argument, NULL, 't'},
    {"requests", required_argument, NULL, 'r'}, {"seconds", required_argument, NULL, 's'},
    {"limit", required_argument, NULL, 'l'},    {"pace", required_argument, NULL, 'a'},
    {"expect", required_argument, NULL, 'e'},   {"receive-buffer", required_argument, NULL, 'b'},
    {"stall", no_argument, NULL, 'S'},          {"idle", no_argument, NULL, 'I'},
    {NULL, 0, NULL, 0},
};

static bool take_option(struct plan *plan, int option, const char *value)
{
    switch (option) {
    case 'p': plan->port = atoi(value); return true;
    case 'c': plan->connections = strtoul(value, NULL, 10); return true;
    case 't': plan->threads = strtoul(value, NULL, 10); return true;
    case 'r': plan->requests = strtoull(value, NULL, 10); return true;
    case 's': plan->seconds = atof(value); return true;
    case 'l': plan->limit = atof(value); return true;
    case 'a': plan->pace = atof(value); return true;
    case 'e': plan->expected = atoll(value); return true;
    case 'b': plan->receive_buffer = atoi(value); return true;
    case 'S': plan->mode = STALL; return true;
    case 'I': plan->mode = IDLE; return true;
    case 'f':
        if (plan->path_count == MAX_PATHS)
            return false;
        plan->paths[plan->path_count++] = value;
        return true;
    default: return false;
    }
}

static bool parse(struct plan *plan, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
        if (!take_option(plan, option, optarg))
            return false;
    if (plan->threads > plan->connections)
        plan->threads = plan->connections;
    bool bounded = plan->mode != LOAD || plan->requests > 0 || plan->seconds > 0;
    return plan->port > 0 && plan->path_count > 0 && plan->connections > 0 && plan->threads > 0 && bounded;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(const struct tally *t, double share)
{
    if (t->latency_count == 0)
        return 0;
    size_t rank = (size_t)(share * (double)t->latency_count);
    return t->latency_us[rank < t->latency_count ? rank : t->latency_count - 1];
}

static void print_tally(struct tally *t)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    if (t->latency_count > 0)
        qsort(t->latency_us, t->latency_count, sizeof *t->latency_us, ascending);
    printf("{\"requests\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"failed\":%llu,\"short\":%llu,\"timedOut\":%s,"
           "\"p50us\":%u,\"p99us\":%u,\"p999us\":%u,\"maxus\":%u,\"cpuSeconds\":%.6f}\n",
           (unsigned long long)t->requests, (unsigned long long)t->bytes, (double)(t->last_ns - t->first_ns) / 1e9,
           (unsigned long long)t->failed, (unsigned long long)t->cut_short, t->timed_out ? "true" : "false",
           percentile(t, 0.5), percentile(t, 0.99), percentile(t, 0.999), percentile(t, 1), cpu);
}

int main(int argc, char **argv)
{
    struct plan plan = {.connections = 1, .threads = 1, .limit = 120, .expected = -1};
    struct tally total = {0};
    struct sigaction action = {.sa_handler = abandon}; /* without SA_RESTART: a blocking read ends too */
    struct rlimit files;
    if (!parse(&plan, argc, argv)) {
        fprintf(stderr, "usage: client --port P --path /FILE (--requests N | --seconds S | --stall | --idle) [options]\n");
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (plan.mode != LOAD)
        return hold_connections(&plan);
    if (!run_load(&plan, &total)) {
        perror("client");
        return 1;
    }
    print_tally(&total);
    return total.failed > 0;
}
