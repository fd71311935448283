// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmod-free/tests/support.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROTO_TCP 6

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "support: %s\n", why);
    abort();
}

static void need(bool holds, const char *why)
{
    if (!holds)
        give_up(why);
}

/* Guard pages */

static size_t page_len(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Pages that n bytes take; at least one, so that the pages in front are found again from at and n alone. */
static size_t guard_len(size_t n)
{
    size_t page = page_len();
    return n == 0 ? page : (n + page - 1) / page * page;
}

uint8_t *guard_room(size_t n)
{
    size_t page = page_len();
    size_t inner = guard_len(n);
    uint8_t *map = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    need(map != MAP_FAILED, "no memory for a guarded copy");
    need(mprotect(map + page, inner, PROT_READ | PROT_WRITE) == 0, "mprotect");
    return map + page + inner - n;
}

void guard_room_free(uint8_t *room, size_t n)
{
    size_t page = page_len();
    size_t inner = guard_len(n);

    need(munmap(room + n - inner - page, inner + 2 * page) == 0, "munmap");
}

bool support_aborts(void (*bug)(void))
{
    int status;
    pid_t child = fork();

    need(child >= 0, "fork");
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        bug();
        _exit(0);
    }
    need(waitpid(child, &status, 0) == child, "waitpid");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

struct bytes guard_copy(struct bytes b)
{
    uint8_t *room = guard_room(b.len);

    if (b.len > 0)
        memcpy(room, b.at, b.len);
    return bytes_of(room, b.len);
}

void guard_free(struct bytes b)
{
    guard_room_free((uint8_t *)(uintptr_t)b.at, b.len);
}

/* Packets */

void support_put16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

void support_put32(uint8_t *at, uint32_t v)
{
    support_put16(at, (uint16_t)(v >> 16));
    support_put16(at + 2, (uint16_t)v);
}

uint16_t support_csum(uint32_t start, struct bytes b)
{
    uint64_t sum = start;

    for (size_t i = 0; i < b.len; i++)
        sum += i % 2 == 0 ? (uint64_t)b.at[i] << 8 : b.at[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(~sum & 0xffff);
}

struct endpoint support_endpoint(const char *addr, uint16_t port)
{
    struct endpoint e = {.port = port};

    if (inet_pton(AF_INET, addr, e.addr.at) == 1)
        e.addr.family = 4;
    else if (inet_pton(AF_INET6, addr, e.addr.at) == 1)
        e.addr.family = 6;
    else
        give_up("not an address");
    return e;
}

static void put_bytes(uint8_t *at, struct bytes b)
{
    if (b.len > 0)
        memcpy(at, b.at, b.len);
}

static size_t whole_words(size_t n)
{
    return (n + 3) / 4 * 4;
}

static size_t put_ipv4(const struct support_segment *s, size_t l4_len, uint8_t *out, size_t room)
{
    size_t head = 20 + whole_words(s->ip_options.len);

    need(head <= 60 && head + l4_len <= SUPPORT_PACKET_MAX && head + l4_len <= room, "no room for an IPv4 packet");
    memset(out, 0, head);
    out[0] = (uint8_t)(0x40 | head / 4);
    support_put16(out + 2, (uint16_t)(head + l4_len));
    support_put16(out + 4, s->ip_id);
    out[6] = 0x40; /* don't fragment */
    out[8] = s->ttl ? s->ttl : 64;
    out[9] = PROTO_TCP;
    memcpy(out + 12, s->src.addr.at, 4);
    memcpy(out + 16, s->dst.addr.at, 4);
    put_bytes(out + 20, s->ip_options);
    support_put16(out + 10, support_csum(0, bytes_of(out, head)));
    return head;
}

static size_t put_ipv6(const struct support_segment *s, size_t l4_len, uint8_t *out, size_t room)
{
    size_t head = 40 + s->ip6_ext.len;

    need(head + l4_len <= SUPPORT_PACKET_MAX && head + l4_len <= room, "no room for an IPv6 packet");
    memset(out, 0, 40);
    out[0] = 0x60;
    support_put16(out + 4, (uint16_t)(s->ip6_ext.len + l4_len));
    out[6] = s->ip6_ext.len > 0 ? s->ip6_first : PROTO_TCP;
    out[7] = s->ttl ? s->ttl : 64;
    memcpy(out + 8, s->src.addr.at, 16);
    memcpy(out + 24, s->dst.addr.at, 16);
    put_bytes(out + 40, s->ip6_ext);
    return head;
}

size_t support_segment(const struct support_segment *s, uint8_t *out, size_t room)
{
    size_t doff = 20 + whole_words(s->options.len);
    size_t l4_len = doff + s->payload.len;
    size_t addr_len = s->src.addr.family == 4 ? 4 : 16;
    uint8_t pseudo[40] = {0};
    size_t head;
    uint16_t csum;
    uint8_t *tcp;

    need(doff <= 60, "too many TCP options");
    need(s->src.addr.family == s->dst.addr.family, "two address families in one packet");
    head = s->src.addr.family == 4 ? put_ipv4(s, l4_len, out, room) : put_ipv6(s, l4_len, out, room);

    tcp = out + head;
    memset(tcp, 0, doff);
    support_put16(tcp, s->src.port);
    support_put16(tcp + 2, s->dst.port);
    support_put32(tcp + 4, s->seq);
    support_put32(tcp + 8, s->ack);
    tcp[12] = (uint8_t)(doff / 4 << 4);
    tcp[13] = s->flags;
    support_put16(tcp + 14, s->window || s->zero_window ? s->window : 65535);
    support_put16(tcp + 18, s->urgent);
    put_bytes(tcp + 20, s->options);
    put_bytes(tcp + doff, s->payload);

    memcpy(pseudo, s->src.addr.at, addr_len);
    memcpy(pseudo + addr_len, s->dst.addr.at, addr_len);
    support_put32(pseudo + 2 * addr_len, (uint32_t)l4_len);
    support_put32(pseudo + 2 * addr_len + 4, PROTO_TCP);
    csum = support_csum(0, bytes_of(pseudo, 2 * addr_len + 8));
    csum = support_csum((uint16_t)~csum, bytes_of(tcp, l4_len));
    support_put16(tcp + 16, (uint16_t)(csum + (s->bad_csum ? 1 : 0)));
    return head + l4_len;
}

size_t support_ethernet(struct bytes l3, size_t vlans, uint8_t *out, size_t room)
{
    static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    size_t head = 14 + 4 * vlans;

    need(head + l3.len <= room, "no room for an Ethernet frame");
    memcpy(out, macs, sizeof macs);
    for (size_t i = 0; i < vlans; i++) {
        support_put16(out + 12 + 4 * i, i + 1 < vlans ? 0x88a8 : 0x8100);
        support_put16(out + 14 + 4 * i, (uint16_t)(i + 1));
    }
    support_put16(out + head - 2, l3.len > 0 && l3.at[0] >> 4 == 6 ? 0x86dd : 0x0800);
    put_bytes(out + head, l3);
    return head + l3.len;
}

struct frame support_frame(struct bytes l3, int64_t ns)
{
    return (struct frame){.l3 = l3, .at = {ns}, .wall = {ns}, .csum = CSUM_VERIFY};
}

/* Captures */

static void put_le(FILE *f, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        need(putc((int)(v >> (8 * i) & 0xff), f) != EOF, "cannot write a capture");
}

void support_pcap_start(FILE *f, uint32_t linktype)
{
    put_le(f, 0xa1b2c3d4, 4);
    put_le(f, 2, 2);
    put_le(f, 4, 2);
    put_le(f, 0, 4);
    put_le(f, 0, 4);
    put_le(f, 262144, 4);
    put_le(f, linktype, 4);
}

void support_pcap_add(FILE *f, int64_t ns, struct bytes captured, size_t wire_len)
{
    put_le(f, (uint32_t)(ns / NS_PER_S), 4);
    put_le(f, (uint32_t)(ns % NS_PER_S / 1000), 4);
    put_le(f, (uint32_t)captured.len, 4);
    put_le(f, (uint32_t)(wire_len ? wire_len : captured.len), 4);
    need(captured.len == 0 || fwrite(captured.at, captured.len, 1, f) == 1, "cannot write a capture");
}

/* Sessions */

size_t support_tcp_send(struct support_tcp *t, enum role from, uint8_t flags, struct bytes payload, uint8_t *out,
                        size_t room)
{
    bool ack = t->started || (flags & TCP_SYN) == 0;
    struct support_segment s = {
        .src = t->of[from],
        .dst = t->of[role_other(from)],
        .seq = t->next[from],
        .ack = ack ? t->next[role_other(from)] : 0,
        .flags = (uint8_t)(flags | (ack ? TCP_ACK : 0)),
        .payload = payload,
    };

    t->started = true;
    t->next[from] += (uint32_t)payload.len + (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0);
    return support_segment(&s, out, room);
}

static void session_add(struct support_session *s, enum role from, uint8_t flags, struct bytes payload, int64_t start)
{
    static uint8_t packet[SUPPORT_PACKET_MAX];
    size_t len = support_tcp_send(&s->tcp, from, flags, payload, packet, sizeof packet);
    struct support_session_frame *more = reallocarray(s->frames, s->count + 1, sizeof *more);
    uint8_t *l3 = malloc(len);

    need(more && l3, "no memory for a session");
    memcpy(l3, packet, len);
    s->frames = more;
    s->frames[s->count] = (struct support_session_frame){
        .l3 = bytes_of(l3, len),
        .ns = start + (int64_t)s->count * NS_PER_MS,
        .from = from,
        .payload_len = (uint32_t)payload.len,
    };
    s->count++;
}

static void session_say(struct support_session *s, const struct support_session_config *c, struct support_say say)
{
    size_t mss = c->mss ? c->mss : 1460;

    while (say.text.len > 0) {
        struct bytes piece = bytes_first(say.text, mss);
        say.text = bytes_from(say.text, piece.len);
        session_add(s, say.from, say.text.len == 0 ? TCP_PSH : 0, piece, c->start_ns);
    }
    if (!c->no_acks)
        session_add(s, role_other(say.from), 0, (struct bytes){0}, c->start_ns);
}

struct support_session *support_session_new(const struct support_session_config *c, const struct support_say *script,
                                            size_t says)
{
    struct bytes none = {0};
    struct support_session *s = calloc(1, sizeof *s);

    need(s, "no memory for a session");
    s->tcp.of[ROLE_CLIENT] = c->client.addr.family ? c->client : support_endpoint("198.51.100.2", 40112);
    s->tcp.of[ROLE_SERVER] = c->server.addr.family ? c->server : support_endpoint("192.0.2.25", 25);
    s->tcp.next[ROLE_CLIENT] = c->client_isn;
    s->tcp.next[ROLE_SERVER] = c->server_isn;

    session_add(s, ROLE_CLIENT, TCP_SYN, none, c->start_ns);
    session_add(s, ROLE_SERVER, TCP_SYN, none, c->start_ns);
    session_add(s, ROLE_CLIENT, 0, none, c->start_ns);
    for (size_t i = 0; i < says; i++)
        session_say(s, c, script[i]);
    if (!c->no_fin) {
        session_add(s, ROLE_CLIENT, TCP_FIN, none, c->start_ns);
        session_add(s, ROLE_SERVER, TCP_FIN, none, c->start_ns);
        session_add(s, ROLE_CLIENT, 0, none, c->start_ns);
    }
    return s;
}

struct support_session *support_session_text(const struct support_session_config *c, const char *text)
{
    size_t room = strlen(text) + 1;  /* a line's "C: " and LF are more than its CRLF ... */
    uint8_t *said = calloc(room, 1); /* ... and the last line's LF may be missing */
    struct support_say *script = calloc(room / 3 + 1, sizeof *script);
    struct support_session *s;
    size_t says = 0, used = 0;

    need(said && script, "no memory for a script");
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len > 0 && text[0] != '#') {
            need(len >= 3 && (text[0] == 'C' || text[0] == 'S') && text[1] == ':' && text[2] == ' ',
                 "a script line must begin with 'C: ' or 'S: '");
            script[says].from = text[0] == 'C' ? ROLE_CLIENT : ROLE_SERVER;
            script[says].text = bytes_of(said + used, len - 3 + 2);
            memcpy(said + used, text + 3, len - 3);
            memcpy(said + used + len - 3, "\r\n", 2);
            used += len - 3 + 2;
            says++;
        }
        text += len + (text[len] == '\n' ? 1 : 0);
    }
    s = support_session_new(c, script, says);
    free(script);
    free(said);
    return s;
}

void support_session_free(struct support_session *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(support_session_l3(s, i));
    free(s->frames);
    free(s);
}

uint8_t *support_session_l3(struct support_session *s, size_t i)
{
    need(i < s->count, "the session has no such frame");
    return (uint8_t *)(uintptr_t)s->frames[i].l3.at;
}

struct frame support_session_frame(const struct support_session *s, size_t i)
{
    need(i < s->count, "the session has no such frame");
    return support_frame(s->frames[i].l3, s->frames[i].ns);
}

void support_session_pcap(const struct support_session *s, FILE *f, uint32_t linktype)
{
    static uint8_t packet[SUPPORT_PACKET_MAX + 14];

    need(linktype == 1 || linktype == 101, "link type of a session's capture");
    support_pcap_start(f, linktype);
    for (size_t i = 0; i < s->count; i++) {
        struct bytes l3 = s->frames[i].l3;
        if (linktype == 1)
            l3 = bytes_of(packet, support_ethernet(l3, 0, packet, sizeof packet));
        support_pcap_add(f, s->frames[i].ns, l3, 0);
    }
}
