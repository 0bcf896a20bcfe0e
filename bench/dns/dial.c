/* A new TCP connection for each query: connect, ask, read the reply, close, next.
 *
 * Usage: dial ADDRESS PORT WIRES SECONDS
 *
 * WIRES holds queries, each behind its length in two bytes (big endian), which is also how they go over TCP; they
 * are asked in turn. Eight threads, each with one connection at a time and an address of its own to come from.
 * Prints one JSON object: how many queries were answered and how many not, and the mean time of one in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, MAX_QUERIES = 4096, REPLY_BYTES = 4096 };

static unsigned char *queries[MAX_QUERIES]; /* the length in front */
static unsigned lengths[MAX_QUERIES], known;
static struct sockaddr_in server;
static long long until_ns;
static unsigned long answered[THREADS], lost[THREADS];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void read_queries(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die(path);
    for (int high; known < MAX_QUERIES && (high = fgetc(file)) != EOF; known++) {
        int low = fgetc(file);
        lengths[known] = (unsigned)(high << 8 | low) + 2;
        queries[known] = malloc(lengths[known]);
        if (queries[known] == NULL)
            die("malloc");
        queries[known][0] = (unsigned char)high, queries[known][1] = (unsigned char)low;
        if (fread(queries[known] + 2, 1, lengths[known] - 2, file) != lengths[known] - 2)
            die(path);
    }
    fclose(file);
}

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Whether one query was answered. */
static int ask(int sock, unsigned turn)
{
    unsigned char reply[REPLY_BYTES];
    size_t got = 0;
    if (connect(sock, (struct sockaddr *)&server, sizeof server) < 0)
        return 0;
    if (send(sock, queries[turn], lengths[turn], MSG_NOSIGNAL) != (ssize_t)lengths[turn])
        return 0;
    while (got < 2 || got < 2u + (unsigned)(reply[0] << 8 | reply[1])) {
        ssize_t more = recv(sock, reply + got, sizeof reply - got, 0);
        if (more <= 0)
            return 0;
        got += (size_t)more;
    }
    return memcmp(reply + 2, queries[turn] + 2, 2) == 0 && (reply[5] & 0x0f) == 0;
}

static void *work(void *argument)
{
    unsigned worker = *(unsigned *)argument, turn = worker * known / THREADS;
    struct timeval patience = {.tv_sec = 2, .tv_usec = 0};
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr = htonl(0x7f010001u + worker); /* 127.1.0.1 and so on */
    int one = 1;
    for (; now_ns() < until_ns; turn = (turn + 1) % known) {
        int sock = socket(AF_INET, SOCK_STREAM, 0);
        if (sock < 0)
            die("socket");
        setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(sock, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(sock, (struct sockaddr *)&own, sizeof own) < 0)
            die("bind");
        if (ask(sock, turn))
            answered[worker]++;
        else
            lost[worker]++;
        close(sock);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    unsigned long all = 0, none = 0;
    if (argc != 5) {
        fprintf(stderr, "usage: dial ADDRESS PORT WIRES SECONDS\n");
        return 2;
    }
    read_queries(argv[3]);
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(argv[2]));
    if (known == 0 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
        die("arguments");
    long long begun = now_ns();
    until_ns = begun + (long long)(atof(argv[4]) * 1e9);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, work, &numbers[i]) != 0)
            die("pthread_create");
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += answered[i], none += lost[i];
    }
    double seconds = (double)(now_ns() - begun) / 1e9;
    printf("{\"completed\": %lu, \"lost\": %lu, \"qps\": %.1f, \"latency_s\": %.9f}\n", all, none, (double)all / seconds,
           all ? THREADS * seconds / (double)(all + none) : 0.0);
    return 0;
}
