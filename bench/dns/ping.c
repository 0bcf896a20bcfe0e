/* One query in flight: send, wait for the reply, note the time, next.
 *
 * Usage: ping ADDRESS PORT WIRES SECONDS
 *
 * WIRES holds queries, each behind its length in two bytes (big endian); they are asked in turn. The first tenth
 * of the time is not counted. Prints one JSON object: count, lost, and the times in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MAX_QUERIES = 4096, MAX_TIMES = 4000000, REPLY_BYTES = 4096 };

static unsigned char *queries[MAX_QUERIES];
static unsigned lengths[MAX_QUERIES];
static unsigned times_ns[MAX_TIMES];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static unsigned read_queries(const char *path)
{
    unsigned count = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die(path);
    for (int high; count < MAX_QUERIES && (high = fgetc(file)) != EOF; count++) {
        lengths[count] = (unsigned)(high << 8 | fgetc(file));
        queries[count] = malloc(lengths[count]);
        if (queries[count] == NULL || fread(queries[count], 1, lengths[count], file) != lengths[count])
            die(path);
    }
    fclose(file);
    return count;
}

static int connected_socket(const char *host, const char *port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    struct timeval patience = {.tv_sec = 0, .tv_usec = 200000};
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0 || inet_pton(AF_INET, host, &server.sin_addr) != 1)
        die("socket");
    if (connect(sock, (struct sockaddr *)&server, sizeof server) < 0)
        die("connect");
    if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        die("setsockopt");
    return sock;
}

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int ascending(const void *left, const void *right)
{
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: ping ADDRESS PORT WIRES SECONDS\n");
        return 2;
    }
    unsigned known = read_queries(argv[3]);
    int sock = connected_socket(argv[1], argv[2]);
    long long begun = now_ns(), span = (long long)(atof(argv[4]) * 1e9);
    long long counted_from = begun + span / 10;
    unsigned taken = 0, lost = 0;
    unsigned short id = 0;
    unsigned char reply[REPLY_BYTES];
    for (unsigned turn = 0; taken < MAX_TIMES; turn = (turn + 1) % known) {
        unsigned char *wire = queries[turn];
        wire[0] = (unsigned char)(++id >> 8), wire[1] = (unsigned char)id;
        long long sent = now_ns();
        if (sent >= begun + span)
            break;
        if (send(sock, wire, lengths[turn], 0) < 0)
            die("send");
        ssize_t size;
        do
            size = recv(sock, reply, sizeof reply, 0); /* a late reply to an earlier query is not this one's */
        while (size >= 2 && (reply[0] != wire[0] || reply[1] != wire[1]));
        long long got = now_ns();
        if (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            die("recv");
        if (size < 0)
            lost++;
        else if (sent >= counted_from)
            times_ns[taken++] = (unsigned)(got - sent);
    }
    if (taken == 0) {
        fprintf(stderr, "no query was answered\n");
        return 1;
    }
    qsort(times_ns, taken, sizeof times_ns[0], ascending);
    printf("{\"count\": %u, \"lost\": %u, \"min_us\": %.3f, \"median_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f}\n",
           taken, lost, times_ns[0] / 1e3, times_ns[taken / 2] / 1e3, times_ns[taken * 9ULL / 10] / 1e3,
           times_ns[taken * 99ULL / 100] / 1e3);
    return 0;
}
