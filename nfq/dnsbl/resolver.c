/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl/resolver.h"

/* The newer functions for the same are not in the c-ares of Debian 12. */
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define CLASS_IN 1
#define TYPE_A   1
#define TYPE_TXT 16
#define TRIES_MOST 6
/* So long an answer is waited for at least: what comes late is there for the next one. */
#define WAIT_MS    4500
#define HEAD_BYTES 12 /* RFC 1035 4.1.1 */
/* Answers that arrive at the same time wait here. */
#define RECEIVE_BUFFER (1 << 20)

struct question {
    struct resolver *resolver;
    bool used;
};

struct resolver {
    ares_channel channel;
    resolver_done *done;
    void *ctx;
    bool closing;
    struct question questions[RESOLVER_QUESTIONS_MAX];
};

static bool port_valid(const char *text)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    unsigned long n = strtoul(text, &end, 10);
    return *end == '\0' && n > 0 && n <= UINT16_MAX;
}

static bool address_valid(int family, const char *text)
{
    unsigned char at[sizeof(struct in6_addr)];

    return inet_pton(family, text, at) == 1;
}

/* One server; text is written to. */
static bool server_valid(char *text)
{
    char *end = strchr(text, ']'), *colon;

    if (text[0] == '[' && end != NULL) {
        *end = '\0';
        return address_valid(AF_INET6, text + 1) && (end[1] == '\0' || (end[1] == ':' && port_valid(end + 2)));
    }
    if (address_valid(AF_INET6, text))
        return true;
    colon = strchr(text, ':');
    if (colon != NULL)
        *colon = '\0';
    return address_valid(AF_INET, text) && (colon == NULL || port_valid(colon + 1));
}

bool resolver_servers_valid(const char *servers)
{
    char copy[512], *rest = copy, *one;

    if (*servers == '\0' || strlen(servers) >= sizeof copy)
        return false;
    snprintf(copy, sizeof copy, "%s", servers);
    while ((one = strsep(&rest, ",")) != NULL)
        if (!server_valid(one))
            return false;
    return true;
}

/*
 * What c-ares keeps to itself where all servers said so, as the head of the message that it was. (Some versions call
 * SERVFAIL "connection refused", as if nobody were there.)
 */
static struct bytes refusal(int status)
{
    static const uint8_t fails[HEAD_BYTES] = {0, 0, 0x80, 2}, unknown[HEAD_BYTES] = {0, 0, 0x80, 4},
                         refused[HEAD_BYTES] = {0, 0, 0x80, 5};

    switch (status) { /* the library's numbers */
    case ARES_ESERVFAIL:
    case ARES_ECONNREFUSED:
        return bytes_of(fails, sizeof fails);
    case ARES_ENOTIMP:
        return bytes_of(unknown, sizeof unknown);
    case ARES_EREFUSED:
        return bytes_of(refused, sizeof refused);
    default:
        return bytes_of(NULL, 0);
    }
}

/* c-ares' ares_callback */
static void answered(void *arg, int status, int timeouts, unsigned char *message, int len)
{
    struct question *q = arg;
    struct resolver *r = q->resolver;

    (void)timeouts;
    q->used = false;
    if (!r->closing)
        r->done(r->ctx, (uint32_t)(q - r->questions),
                message != NULL && len > 0 ? bytes_of(message, (size_t)len) : refusal(status));
}

static struct resolver *failed(struct resolver *r, int status, char *error, size_t room)
{
    snprintf(error, room, "resolver: %s", ares_strerror(status));
    resolver_free(r);
    return NULL;
}

/* c-ares waits for each try twice as long as for the one before. */
static int tries_of(int try_ms)
{
    int tries = 1, all = try_ms;

    while (all < WAIT_MS && tries < TRIES_MOST)
        all += try_ms << tries++;
    return tries;
}

struct resolver *resolver_new(const char *servers, int try_ms, resolver_done *done, void *ctx, char *error, size_t room)
{
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_STAYOPEN,
        .timeout = try_ms,
        .tries = tries_of(try_ms),
        .socket_receive_buffer_size = RECEIVE_BUFFER,
    };
    struct resolver *r = calloc(1, sizeof *r);

    if (r == NULL)
        return failed(r, ARES_ENOMEM, error, room);
    r->done = done;
    r->ctx = ctx;
    for (size_t i = 0; i < RESOLVER_QUESTIONS_MAX; i++)
        r->questions[i].resolver = r;
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status == ARES_SUCCESS)
        status = ares_init_options(&r->channel, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                                        ARES_OPT_SOCK_RCVBUF);
    if (status == ARES_SUCCESS && servers != NULL)
        status = resolver_servers_valid(servers) ? ares_set_servers_ports_csv(r->channel, servers) : ARES_EBADSTR;
    return status == ARES_SUCCESS ? r : failed(r, status, error, room);
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    r->closing = true;
    if (r->channel != NULL)
        ares_destroy(r->channel);
    ares_library_cleanup();
    free(r);
}

void resolver_ask(struct resolver *r, uint32_t question, const char *name, enum resolver_type type)
{
    struct question *q = &r->questions[question];

    assert(question < RESOLVER_QUESTIONS_MAX && !q->used);
    q->used = true;
    ares_query(r->channel, name, CLASS_IN, type == RESOLVER_TXT ? TYPE_TXT : TYPE_A, answered, q);
}

size_t resolver_fds(struct resolver *r, struct pollfd out[static RESOLVER_FDS_MAX])
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    int bits = ares_getsock(r->channel, sockets, ARES_GETSOCK_MAXNUM);
    size_t n = 0;

    static_assert(RESOLVER_FDS_MAX >= ARES_GETSOCK_MAXNUM, "all of c-ares' sockets");
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        short events = 0;
        if ((unsigned)bits >> i & 1u)
            events |= POLLIN;
        if ((unsigned)bits >> (i + ARES_GETSOCK_MAXNUM) & 1u)
            events |= POLLOUT;
        if (events != 0)
            out[n++] = (struct pollfd){.fd = sockets[i], .events = events};
    }
    return n;
}

int resolver_wait_ms(struct resolver *r, int most_ms)
{
    struct timeval most = {.tv_sec = most_ms / 1000, .tv_usec = most_ms % 1000 * 1000}, own;
    const struct timeval *t = ares_timeout(r->channel, &most, &own);

    return (int)(t->tv_sec * 1000 + (t->tv_usec + 999) / 1000);
}

void resolver_work(struct resolver *r, const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i].revents == 0)
            continue;
        bool in = (fds[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0, out = (fds[i].revents & POLLOUT) != 0;
        ares_process_fd(r->channel, in ? fds[i].fd : ARES_SOCKET_BAD, out ? fds[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* timeouts: what has come is in time */
}
