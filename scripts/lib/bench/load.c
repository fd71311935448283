// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load [-n SESSIONS] [-c AT-ONCE] [-r RCPTS] [-l BODY] [-p] [-x N] [-H] [-a ADDRESS]... [-A ADDRESS] [-R RATE]
 *      [-T SECONDS] SERVER PORT
 *
 * SMTP sessions of one message each, as fast as they go.
 *   -p  MAIL, all RCPT and DATA in one write
 *   -x  every Nth session names a recipient of another domain, and may be broken off there
 *   -H  opens the sessions and stops behind RCPT; says "held N", and holds them until it is killed
 *   -a  the client's own address; several take turns
 *   -A  IPv4: each session has an address of its own, counted up from this one
 *   -R  begins so many sessions a second at most
 *   -T  gives up then (100)
 * Prints one line: sessions=N ended=N failed=N secs=S p50_us=N p99_us=N banner_p50_us=N banner_p99_us=N (from connect
 * to the banner). ended: broken off at a recipient of -x;
 * failed: all else that didn't get through. Status 1: some failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "scripts/lib/bench/sockets.h"

#define STEPS_MAX     64
#define RCPTS_MAX     50
#define ADDRESSES_MAX 64
#define FILES_MAX     (1 << 17)
#define OPENING_MAX   64 /* with -H: so many are in their dialogue at a time */

struct step {
    char *data;
    size_t len;
    int replies;
};
struct script {
    struct step steps[STEPS_MAX];
    int count;
};
struct connection {
    const struct script *script;
    int fd, step, want, column;
    size_t sent;
    char line[4];
    double began;
    bool relays, held;
};
enum outcome { GOES_ON, DONE, BROKEN };

static struct {
    long sessions, at_once, rcpts, every, limit, rate;
    size_t body;
    bool pipelined, hold;
    struct address server, own[ADDRESSES_MAX];
    int own_count;
    uint32_t first; /* of -A; host byte order, 0: none */
} want = {.sessions = 1000, .at_once = 1, .rcpts = 1, .limit = 100, .body = 1024};
static struct script local, relaying;
static long started, done, ended, failed, held, live, greeted;
static struct connection connections[FILES_MAX]; /* by file descriptor */
static double *latencies, *banners;
static int epoll;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- what they say ---- */

static char *add_step(struct script *s, char *from, const char *to, int replies)
{
    struct step *step = &s->steps[s->count++];
    step->len = (size_t)(to - from);
    step->data = malloc(step->len + 1);
    if (step->data == NULL)
        die("load");
    memcpy(step->data, from, step->len);
    step->replies = replies;
    return from;
}

static char *put_message(char *p)
{
    char line[78];
    memset(line, 'x', sizeof line);
    p = stpcpy(p, "Subject: load\r\n\r\n");
    for (size_t left = want.body; left > 0;) {
        size_t n = left < sizeof line ? left : sizeof line;
        memcpy(p, line, n);
        p = stpcpy(p + n, "\r\n");
        left -= n;
    }
    return stpcpy(p, ".\r\n");
}

static void write_script(struct script *s, const char *domain)
{
    char *at = malloc(want.body + want.body / 32 + 4096 + 256 * RCPTS_MAX);
    if (at == NULL)
        die("load");
    add_step(s, at, at, 1); /* the banner */
    add_step(s, at, stpcpy(at, "EHLO client.example\r\n"), 1);
    char *p = stpcpy(at, "MAIL FROM:<sender@client.example>\r\n");
    if (!want.pipelined)
        p = add_step(s, at, p, 1);
    for (long i = 0; i < want.rcpts; i++) {
        p += sprintf(p, "RCPT TO:<user%ld@%s>\r\n", i, domain);
        if (!want.pipelined)
            p = add_step(s, at, p, 1);
    }
    if (want.hold && want.pipelined)
        add_step(s, at, p, 1 + (int)want.rcpts);
    if (!want.hold) {
        add_step(s, at, stpcpy(p, "DATA\r\n"), want.pipelined ? 2 + (int)want.rcpts : 1);
        add_step(s, at, put_message(at), 1);
        add_step(s, at, stpcpy(at, "QUIT\r\n"), 1);
    }
    free(at);
}

/* ---- connections ---- */

static void finish(struct connection *c, enum outcome outcome)
{
    const struct linger at_once = {1, 0};
    if (outcome == DONE)
        latencies[done++] = (now() - c->began) * 1e6;
    else if (c->relays && c->step > 1)
        ended++;
    else
        failed++;
    if (outcome != DONE)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    live--;
    held -= c->held;
    close(c->fd);
}

static enum outcome push(struct connection *c)
{
    const struct step *s = &c->script->steps[c->step];
    while (c->sent < s->len) {
        ssize_t n = send(c->fd, s->data + c->sent, s->len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return BROKEN;
        c->sent += (size_t)n;
    }
    struct epoll_event e = {.events = EPOLLIN | (c->sent < s->len ? EPOLLOUT : 0u), .data.fd = c->fd};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e) < 0 ? BROKEN : GOES_ON;
}

static void start(void)
{
    const struct sockaddr *server = (const void *)&want.server.at;
    int fd = socket(server->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0 || fd >= FILES_MAX)
        die("load: socket");
    struct connection *c = &connections[fd];
    *c = (struct connection){.fd = fd, .began = now(), .want = 1};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (want.own_count > 0) {
        const struct address *own = &want.own[started % want.own_count];
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (const void *)&own->at, own->len) < 0)
            die("load: bind");
    }
    if (want.first != 0) {
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(want.first + (uint32_t)started)};
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (const void *)&own, sizeof own) < 0)
            die("load: bind");
    }
    started++;
    live++;
    c->relays = want.every > 0 && started % want.every == 0;
    c->script = c->relays ? &relaying : &local;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = c->fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        die("load: epoll");
    if (connect(fd, server, want.server.len) < 0 && errno != EINPROGRESS)
        finish(c, BROKEN);
}

/* A whole reply came. */
static enum outcome replied(struct connection *c)
{
    if (c->line[0] != '2' && c->line[0] != '3')
        return BROKEN;
    if (--c->want > 0)
        return GOES_ON;
    if (c->step == 0)
        banners[greeted++] = (now() - c->began) * 1e6;
    if (c->step + 1 == c->script->count) {
        if (!want.hold)
            return DONE;
        held++;
        c->held = true;
        c->want = 1 << 30;
        return GOES_ON;
    }
    c->step++;
    c->want = c->script->steps[c->step].replies;
    c->sent = 0;
    return push(c);
}

static enum outcome feed(struct connection *c, const char *at, ssize_t len)
{
    for (ssize_t i = 0; i < len; i++) {
        if (c->column < (int)sizeof c->line)
            c->line[c->column] = at[i];
        c->column++;
        if (at[i] != '\n')
            continue;
        bool more = c->column > 4 && c->line[3] == '-';
        c->column = 0;
        enum outcome outcome = more ? GOES_ON : replied(c);
        if (outcome != GOES_ON)
            return outcome;
    }
    return GOES_ON;
}

static void attend(struct connection *c, uint32_t events)
{
    char buffer[8192];
    enum outcome outcome = (events & EPOLLOUT) != 0 ? push(c) : GOES_ON;
    if (outcome == GOES_ON && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
        if (n > 0)
            outcome = feed(c, buffer, n);
        else if (n == 0 || errno != EAGAIN)
            outcome = BROKEN;
    }
    if (outcome != GOES_ON)
        finish(c, outcome);
}

/* May one more begin now? */
static bool due(double began)
{
    if (started == want.sessions || (want.hold ? live - held >= OPENING_MAX : live >= want.at_once))
        return false;
    return want.rate == 0 || (double)started < (now() - began) * (double)want.rate;
}

static void run(double began, double until)
{
    bool told = false;
    while ((started < want.sessions || live > 0) && (told || now() < until)) {
        struct epoll_event events[256];
        while (due(began))
            start();
        int n = epoll_wait(epoll, events, 256, want.rate > 0 && started < want.sessions ? 1 : 200);
        for (int i = 0; i < n; i++)
            attend(&connections[events[i].data.fd], events[i].events);
        if (want.hold && !told && held + failed >= want.sessions) {
            printf("held %ld\n", held);
            fflush(stdout);
            told = true;
        }
    }
}

/* ---- the command line ---- */

static bool take_options(int argc, char **argv)
{
    struct in_addr first;
    int option;
    while ((option = getopt(argc, argv, "n:c:r:l:px:Ha:A:R:T:")) != -1) {
        long number = optarg != NULL ? strtol(optarg, NULL, 10) : 0;
        switch (option) {
        case 'n':
            want.sessions = number;
            break;
        case 'c':
            want.at_once = number;
            break;
        case 'r':
            want.rcpts = number;
            break;
        case 'l':
            want.body = (size_t)number;
            break;
        case 'p':
            want.pipelined = true;
            break;
        case 'x':
            want.every = number;
            break;
        case 'H':
            want.hold = true;
            break;
        case 'T':
            want.limit = number;
            break;
        case 'a':
            if (want.own_count == ADDRESSES_MAX)
                return false;
            want.own[want.own_count++] = address_of(optarg, 0);
            break;
        case 'A':
            if (inet_pton(AF_INET, optarg, &first) != 1)
                return false;
            want.first = ntohl(first.s_addr);
            break;
        case 'R':
            want.rate = number;
            break;
        default:
            return false;
        }
    }
    if (argc - optind != 2 || want.sessions < 1 || want.at_once < 1 || want.rcpts < 0 || want.rcpts > RCPTS_MAX)
        return false;
    want.server = address_of(argv[optind], (uint16_t)strtol(argv[optind + 1], NULL, 10));
    return true;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double percentile(const double *sorted, long count, long percent)
{
    return count > 0 ? sorted[count * percent / 100] : 0;
}

int main(int argc, char **argv)
{
    if (!take_options(argc, argv)) {
        fprintf(stderr, "usage: load [-n SESSIONS] [-c AT-ONCE] [-r RCPTS] [-l BODY] [-p] [-x N] [-H] [-a ADDRESS]... "
                        "[-A ADDRESS] [-R RATE] [-T SECONDS] SERVER PORT\n");
        return 2;
    }
    write_script(&local, "local.example");
    write_script(&relaying, "ext.example");
    latencies = calloc((size_t)want.sessions, sizeof *latencies);
    banners = calloc((size_t)want.sessions, sizeof *banners);
    epoll = epoll_create1(0);
    if (latencies == NULL || banners == NULL || epoll < 0 || !all_files())
        die("load");
    double began = now();
    run(began, began + (double)want.limit);
    double secs = now() - began;
    failed += live - held + want.sessions - started;
    qsort(latencies, (size_t)done, sizeof *latencies, by_size);
    qsort(banners, (size_t)greeted, sizeof *banners, by_size);
    printf("sessions=%ld ended=%ld failed=%ld secs=%.3f p50_us=%.0f p99_us=%.0f banner_p50_us=%.0f banner_p99_us=%.0f\n",
           done, ended, failed, secs, percentile(latencies, done, 50), percentile(latencies, done, 99),
           percentile(banners, greeted, 50), percentile(banners, greeted, 99));
    return failed > 0;
}
