// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool_law CAPTURE...
 *
 * Invariant D4, exhaustively: every session of the captures is judged again
 * - in segments of one byte,
 * - with each of its segments cut in two at every byte, and at every byte with the two halves swapped,
 * - with each pair of neighbouring segments swapped,
 * and must give the same events each time. Bytes of long segments (a text, a line at the
 * limit) are sampled, and what many sessions share is cut in the first of them, so that
 * the time is bounded. All in one process: a file a variant
 * would take minutes. Names what differs; the last lines are counted as scripts/lib/count.sh says.
 *
 * Checksums aren't looked at. Meant for captures without gaps, twins and fragments: what
 * happens there depends on which copy came first, or on how long a gap was waited for.
 */
#include "kmod-free/engine.h"
#include "kmod-free/tests/support.h"
#include "pcap-tests/replay/capsrc.h"

#include <stdarg.h>
#include <stdlib.h>

#define SEGMENTS_MAX 4096
#define EVENTS_MAX   (1u << 20)
/* Segments up to this are cut at each byte; of longer ones so many places: both ends, and others evenly. */
#define EVERY_BYTE 160
#define ENDS       24
#define SAMPLES    24

struct segment {
    uint8_t *l3;
    size_t len;
    struct packet p; /* borrowed from l3 */
};

struct session {
    const char *file;
    struct endpoint a, b; /* of its first segment: who sent it, and to whom */
    struct segment *segments;
    size_t count;
};

static struct session *sessions;
static size_t session_count, session_room;

/* What one run says. */
struct said {
    uint8_t *at;
    size_t len;
};

static struct engine *engine;
static struct said first, again, *current;
static int64_t now_ns;
static size_t variants, differ, told_differ;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "tool_law: %s\n", what);
    exit(2);
}

static void add(const void *what, size_t len)
{
    if (current->len + len > EVENTS_MAX)
        die("too many events in one session");
    memcpy(current->at + current->len, what, len);
    current->len += len;
}

static void add_text(const char *text)
{
    add(text, strlen(text));
}

/* All but times, numbers of packets and the session's number. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line)
        die("a line too long");
    add_text(line);
}

static void take_event(void *ctx, const struct event *ev)
{
    const struct event_session *s = &ev->session;
    (void)ctx;
    say("kind=%d reason=%s action=%s external=%d via=%x ordinal=%u code=%u gap=%llu text=", (int)ev->kind,
        reason_name(ev->reason), action_name(ev->action), ev->external, ev->via, ev->ordinal, ev->code,
        (unsigned long long)ev->gap_bytes);
    if (ev->kind != EVENT_SESSION) /* (there it says what was current at the end) */
        add(ev->text, ev->text_len);
    if (ev->kind == EVENT_SESSION)
        say("bytes=%llu/%llu commands=%u rcpts=%u external=%u accepted=%u messages=%u/%u starttls=%d auth=%d%d%d smtp=%d",
            (unsigned long long)s->bytes[0], (unsigned long long)s->bytes[1], s->commands, s->rcpts, s->external_rcpts,
            s->external_accepted, s->messages, s->external_messages, s->starttls, s->auth_offered, s->auth_used,
            s->auth_succeeded, s->smtp);
    add_text("\n");
}

static void make_engine(void)
{
    static const char *const ours[] = {"local.example", "mail.local.example", "localhost", "[127.0.0.1]"};
    struct policy *policy = policy_new();
    struct engine_config cfg;
    engine_config_defaults(&cfg);
    if (!policy)
        die("out of memory");
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (domain_set_add(policy->local, ours[i]) != NULL)
            die("a local domain");
    if (!domain_set_seal(policy->local))
        die("out of memory");
    cfg.stance = STANCE_WATCH;
    cfg.any_port = true;
    cfg.max_flows = 16;
    cfg.stream_blocks = 8192;
    cfg.stream_block_limit = 4096;
    cfg.defrag_datagrams = 4;
    cfg.want_rcpt_events = cfg.want_session_events = cfg.want_reply_events = true;
    cfg.sink = (struct event_sink){take_event, NULL};
    engine = engine_new(&cfg, policy);
    first.at = malloc(EVENTS_MAX);
    again.at = malloc(EVENTS_MAX);
    if (!engine || !first.at || !again.at)
        die("out of memory");
}

/* --- feeding --- */

static void feed(struct bytes l3)
{
    struct frame f = support_frame(l3, now_ns);
    f.csum = CSUM_TRUSTED;
    now_ns += NS_PER_MS;
    struct verdict v = engine_feed(engine, &f);
    if (v.kind != VERDICT_PASS)
        die("a verdict that isn't pass, offline");
}

/* The bytes [from, to) of the segment's payload as a segment of their own. */
static void feed_part(const struct segment *s, size_t from, size_t to)
{
    static uint8_t l3[SUPPORT_PACKET_MAX];
    size_t head = s->p.payload_at, len = head + to - from;
    uint8_t *tcp = l3 + s->p.l4_at, flags = s->p.flags;
    memcpy(l3, s->l3, head);
    memcpy(l3 + head, s->p.payload.at + from, to - from);
    support_put32(tcp + 4, s->p.seq.v + (uint32_t)from + (from > 0 && flags & TCP_SYN ? 1 : 0));
    if (from > 0)
        flags &= (uint8_t)~TCP_SYN;
    if (to < s->p.payload.len)
        flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    tcp[13] = flags;
    if (s->p.src.addr.family == 4) {
        support_put16(l3 + 2, (uint16_t)len);
        support_put16(l3 + 10, 0);
        support_put16(l3 + 10, support_csum(0, bytes_of(l3, (size_t)(l3[0] & 15) * 4)));
    } else {
        support_put16(l3 + 4, (uint16_t)(len - 40));
    }
    feed(bytes_of(l3, len));
}

static void feed_whole(const struct segment *s)
{
    feed(bytes_of(s->l3, s->len));
}

static void begin(struct said *into)
{
    current = into;
    current->len = 0;
}

static void print_said(const char *label, const struct said *s)
{
    printf("    %s:\n", label);
    for (size_t i = 0, start = 1; i < s->len; i++) {
        uint8_t c = s->at[i];
        if (start)
            printf("      ");
        start = c == '\n';
        if (c == '\n' || (c >= ' ' && c < 0x7f))
            putchar(c);
        else
            printf("\\x%02x", c);
    }
}

static void end_and_compare(const struct session *s, const char *what, size_t i, size_t at)
{
    engine_finish(engine);
    now_ns += NS_PER_S;
    variants++;
    if (again.len == first.len && memcmp(again.at, first.at, first.len) == 0)
        return;
    differ++;
    if (told_differ++ >= 5)
        return;
    char from[48] = "";
    const struct ip_addr *a = &s->a.addr;
    snprintf(from, sizeof from, "%u.%u.%u.%u", a->at[0], a->at[1], a->at[2], a->at[3]);
    printf("not ok %s, client %s:%u: %s, segment %zu, byte %zu\n", s->file, from, s->a.port, what, i, at);
    print_said("whole", &first);
    print_said("so", &again);
}

/* --- the variants --- */

static void in_bytes(const struct session *s)
{
    begin(&again);
    for (size_t i = 0; i < s->count; i++) {
        const struct segment *g = &s->segments[i];
        if (g->p.payload.len == 0)
            feed_whole(g);
        for (size_t at = 0; at < g->p.payload.len; at++)
            feed_part(g, at, at + 1);
    }
    end_and_compare(s, "in bytes", 0, 0);
}

static void cut_at(const struct session *s, size_t cut, size_t at, bool swapped)
{
    begin(&again);
    for (size_t i = 0; i < s->count; i++) {
        const struct segment *g = &s->segments[i];
        if (i != cut) {
            feed_whole(g);
            continue;
        }
        if (swapped)
            feed_part(g, at, g->p.payload.len);
        feed_part(g, 0, at);
        if (!swapped)
            feed_part(g, at, g->p.payload.len);
    }
    end_and_compare(s, swapped ? "halves swapped" : "cut", cut, at);
}

static void swap(const struct session *s, size_t n)
{
    begin(&again);
    for (size_t i = 0; i < s->count; i++)
        feed_whole(&s->segments[i == n ? n + 1 : i == n + 1 ? n : i]);
    end_and_compare(s, "swapped with the next", n, 0);
}

static bool cut_here(size_t at, size_t len)
{
    if (len <= EVERY_BYTE || at <= ENDS || at + ENDS >= len)
        return true;
    return at % (len / SAMPLES) == 0;
}

static bool carries(const struct segment *g)
{
    return g->p.payload.len > 0 && (g->p.flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_URG)) == 0;
}

/*
 * Sessions of one capture mostly begin and end in the same way. What the one before had in
 * the same place, counted from the start or from the end, was cut there.
 */
static bool as_before(const struct session *s, size_t i)
{
    const struct session *b = s > sessions && s[-1].file == s->file ? s - 1 : NULL;
    if (!b)
        return false;
    size_t back = s->count - i;
    struct bytes own = s->segments[i].p.payload;
    return (i < b->count && bytes_equal(own, b->segments[i].p.payload)) ||
           (back <= b->count && bytes_equal(own, b->segments[b->count - back].p.payload));
}

static void judge(const struct session *s)
{
    begin(&first);
    for (size_t i = 0; i < s->count; i++)
        feed_whole(&s->segments[i]);
    engine_finish(engine);
    now_ns += NS_PER_S;
    in_bytes(s);
    for (size_t i = 0; i < s->count; i++) {
        const struct segment *g = &s->segments[i];
        if (!carries(g))
            continue;
        for (size_t at = 1; at < g->p.payload.len && !as_before(s, i); at++) {
            if (!cut_here(at, g->p.payload.len))
                continue;
            cut_at(s, i, at, false);
            cut_at(s, i, at, true);
        }
        if (i + 1 < s->count && carries(&s->segments[i + 1]))
            swap(s, i);
    }
}

/* --- reading --- */

static struct session *session_of(const char *file, const struct packet *p)
{
    for (size_t i = session_count; i > 0 && i + 8 > session_count; i--) { /* one of the last: they don't overlap */
        struct session *s = &sessions[i - 1];
        if (s->file == file && ((endpoint_equal(&s->a, &p->src) && endpoint_equal(&s->b, &p->dst)) ||
                                (endpoint_equal(&s->a, &p->dst) && endpoint_equal(&s->b, &p->src))))
            return s;
    }
    if (session_count == session_room) {
        session_room = session_room * 2 + 64;
        sessions = realloc(sessions, session_room * sizeof *sessions);
        if (!sessions)
            die("out of memory");
    }
    struct session *s = &sessions[session_count++];
    *s = (struct session){.file = file, .a = p->src, .b = p->dst};
    return s;
}

static void keep(const char *file, const struct frame *f)
{
    struct packet p;
    struct frame mine = *f;
    mine.csum = CSUM_TRUSTED;
    if (packet_decode(&mine, &p) != PACKET_TCP)
        return;
    struct session *s = session_of(file, &p);
    if (s->count == SEGMENTS_MAX)
        die("too many segments in one session");
    if ((s->count & (s->count - 1)) == 0) {
        s->segments = realloc(s->segments, (s->count ? s->count * 2 : 1) * sizeof *s->segments);
        if (!s->segments)
            die("out of memory");
    }
    struct segment *g = &s->segments[s->count++];
    g->len = f->l3.len;
    g->l3 = malloc(g->len);
    if (!g->l3)
        die("out of memory");
    memcpy(g->l3, f->l3.at, g->len);
    mine.l3.at = g->l3;
    if (packet_decode(&mine, &g->p) != PACKET_TCP)
        die("a packet that can't be decoded twice");
}

static void read_capture(const char *path)
{
    char error[CAPSRC_ERROR_MAX];
    struct capsrc_record record;
    enum capsrc_result result;
    struct capsrc *in = capsrc_open(path, error);
    if (!in)
        die(error);
    while ((result = capsrc_next(in, &record)) == CAPSRC_IP || result == CAPSRC_OTHER)
        if (result == CAPSRC_IP)
            keep(path, &record.frame);
    capsrc_close(in);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("Usage: tool_law CAPTURE...");
    make_engine();
    for (int i = 1; i < argc; i++)
        read_capture(argv[i]);
    size_t bad = 0;
    for (size_t i = 0; i < session_count; i++) {
        size_t before = differ;
        judge(&sessions[i]);
        bad += differ > before;
    }
    for (size_t i = 0; i < session_count; i++) {
        for (size_t j = 0; j < sessions[i].count; j++)
            free(sessions[i].segments[j].l3);
        free(sessions[i].segments);
    }
    free(sessions);
    free(first.at);
    free(again.at);
    engine_free(engine);
    printf("%zu sessions, %zu variants of them: %zu differ\n", session_count, variants, differ);
    printf("%zu passed, %zu failed\n", session_count - bad, bad);
    return bad > 0 || session_count == 0 ? 1 : 0;
}
