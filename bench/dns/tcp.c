/* Asks a DNS server over TCP as fast as it answers.
 *
 * Usage: tcp ADDRESS PORT WIRES SECONDS pipelined|fresh COUNT
 *
 * WIRES holds queries, each behind its length in two bytes (big endian), which is also how they go over TCP; they are
 * asked in turn.
 * pipelined: one connection; new queries go out as replies come in, so that COUNT are always under way.
 * fresh: COUNT connections at once, each of which connects, asks once, reads the reply, closes, and begins anew. They
 * come from 64 addresses (127.99.0.1 to .64) in turn, and are closed in the usual way, without a reset: what a closed
 * connection costs the server belongs to the figure.
 *
 * A reply that is not NOERROR with one answer ends the run with an error. Prints one JSON object: queries answered and
 * not, queries a second, mean and 99th percentile of the time from asking (fresh: from connecting) to the reply.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SOURCES = 64,
    MAX_QUERIES = 4096,
    MAX_QUERY_BYTES = 300,
    MAX_CONNECTIONS = 1024,
    MAX_OUTSTANDING = 32768,
    MAX_SAMPLES = 4000000,
};
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static uint8_t queries[MAX_QUERIES][MAX_QUERY_BYTES]; /* the length in front */
static unsigned lengths[MAX_QUERIES], known;
static struct sockaddr_in server;
static uint32_t *samples;
static size_t sample_count;
static unsigned long replies, failures;

static double now_s(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_queries(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    for (int high; known < MAX_QUERIES && (high = fgetc(file)) != EOF; known++) {
        int low = fgetc(file);
        unsigned size = (unsigned)(high << 8 | low);
        if (low == EOF || size + 2 > MAX_QUERY_BYTES) die(path);
        queries[known][0] = (uint8_t)high;
        queries[known][1] = (uint8_t)low;
        lengths[known] = size + 2;
        if (fread(queries[known] + 2, 1, size, file) != size) die(path);
    }
    fclose(file);
    if (!known) die(path);
}

static void check(const uint8_t *reply, size_t size) {
    if (size < 12 || !(reply[2] & 0x80) || (reply[3] & 0x0f) || reply[6] || reply[7] != 1) {
        fprintf(stderr, "a reply is not as expected\n");
        exit(1);
    }
    replies++;
}

static void sample(double since) {
    if (sample_count < MAX_SAMPLES) samples[sample_count++] = (uint32_t)((now_s() - since) * 1e6);
}

static int dial(unsigned index, int flags) {
    struct sockaddr_in source = {.sin_family = AF_INET};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    source.sin_addr.s_addr = htonl(0x7f630001 + index % SOURCES);
    if (bind(fd, (struct sockaddr *)&source, sizeof source)) die("bind");
    if (connect(fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) {
        if (!flags) die("connect");
        failures++;
        close(fd);
        return -1;
    }
    return fd;
}

/* --- one connection, many queries ------------------------------------------------------------------------ */

static void pipelined(double seconds, unsigned outstanding) {
    static uint8_t in[1 << 20], out[MAX_OUTSTANDING * MAX_QUERY_BYTES];
    static double asked_at[65536];
    int fd = dial(0, 0);
    size_t held = 0;
    unsigned next = 0, due = outstanding;
    double start = now_s(), at = start;
    while ((at = now_s()) < start + seconds) {
        size_t length = 0;
        for (; due; due--, next++) {
            memcpy(out + length, queries[next % known], lengths[next % known]);
            out[length + 2] = (uint8_t)(next >> 8);
            out[length + 3] = (uint8_t)next;
            asked_at[next & 0xffff] = at;
            length += lengths[next % known];
        }
        for (size_t sent = 0; sent < length;) {
            ssize_t n = send(fd, out + sent, length - sent, MSG_NOSIGNAL);
            if (n < 0) die("send");
            sent += n;
        }
        ssize_t n = recv(fd, in + held, sizeof in - held, 0);
        if (n <= 0) die("the server closed the connection");
        held += n;
        size_t used = 0;
        while (held - used >= 2) {
            size_t size = in[used] << 8 | in[used + 1];
            if (held - used < 2 + size) break;
            check(in + used + 2, size);
            if (!(replies & 15)) sample(asked_at[in[used + 2] << 8 | in[used + 3]]);
            used += 2 + size;
            due++;
        }
        memmove(in, in + used, held - used);
        held -= used;
    }
    close(fd);
}

/* --- a connection for each query ------------------------------------------------------------------------- */

struct slot {
    int fd, is_sent;
    unsigned held, name;
    double begun;
    uint8_t in[1500];
};

static unsigned made;

static void begin(int epoll, struct slot *slot) {
    slot->held = slot->is_sent = 0;
    slot->name = made % known;
    slot->begun = now_s();
    slot->fd = dial(made++, SOCK_NONBLOCK);
    if (slot->fd < 0) return;
    struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = slot};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, slot->fd, &wanted)) die("epoll_ctl");
}

static void again(int epoll, struct slot *slot) {
    close(slot->fd);
    begin(epoll, slot);
}

static void advance(int epoll, struct slot *slot) {
    if (!slot->is_sent) {
        if (send(slot->fd, queries[slot->name], lengths[slot->name], MSG_NOSIGNAL) != (ssize_t)lengths[slot->name]) {
            failures++;
            again(epoll, slot);
            return;
        }
        slot->is_sent = 1;
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = slot};
        if (epoll_ctl(epoll, EPOLL_CTL_MOD, slot->fd, &wanted)) die("epoll_ctl");
        return;
    }
    ssize_t n = recv(slot->fd, slot->in + slot->held, sizeof slot->in - slot->held, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN) return;
        failures++;
        again(epoll, slot);
        return;
    }
    slot->held += n;
    if (slot->held < 2 || slot->held < 2u + (slot->in[0] << 8 | slot->in[1])) return;
    check(slot->in + 2, slot->held - 2);
    sample(slot->begun);
    again(epoll, slot);
}

static void fresh(double seconds, unsigned connections) {
    static struct slot slots[MAX_CONNECTIONS];
    struct epoll_event events[256];
    int epoll = epoll_create1(0);
    double end = now_s() + seconds;
    for (unsigned i = 0; i < connections; i++) begin(epoll, slots + i);
    while (now_s() < end) {
        int n = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < n; i++) advance(epoll, events[i].data.ptr);
        for (unsigned i = 0; n == 0 && i < connections; i++)
            if (slots[i].fd < 0) begin(epoll, slots + i);
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: tcp ADDRESS PORT WIRES SECONDS pipelined|fresh COUNT\n");
        return 2;
    }
    unsigned count = (unsigned)atoi(argv[6]);
    int is_fresh = !strcmp(argv[5], "fresh");
    if (!count || count > (is_fresh ? MAX_CONNECTIONS : MAX_OUTSTANDING)) {
        fprintf(stderr, "COUNT is out of range\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) die(argv[1]);
    samples = malloc(MAX_SAMPLES * sizeof *samples);
    if (!samples) die("malloc");
    read_queries(argv[3]);
    double start = now_s(), sum = 0;
    if (is_fresh) fresh(atof(argv[4]), count);
    else pipelined(atof(argv[4]), count);
    double took = now_s() - start;
    qsort(samples, sample_count, sizeof *samples, by_size);
    for (size_t i = 0; i < sample_count; i++) sum += samples[i];
    printf("{\"completed\": %lu, \"lost\": %lu, \"qps\": %.1f, \"latency_s\": %.9f, \"p99_s\": %.9f}\n",
           replies, failures, replies / took, sample_count ? sum / sample_count / 1e6 : 0.0,
           sample_count ? samples[sample_count * 99 / 100] / 1e6 : 0.0);
    return 0;
}
