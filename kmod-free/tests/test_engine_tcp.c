/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP's odder sides in GUARD (S1 to S5): whatever a client does with flags, numbers and
 * options, an external recipient never gets through, and what real hosts do isn't disturbed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_policy.h"

static const char relays[] = "RCPT TO:<u@ext.example>\r\n";
static const char stays[] = "RCPT TO:<u@local.example>\r\n";

static struct log events;

static void begin(struct live *c)
{
    events = (struct log){0};
    live_begin(c, engine_make(STANCE_GUARD, &events), &events);
}

/* A segment of `from` where the conversation stands, for the test to change. */
static struct support_segment next_of(const struct live *c, enum role from, uint8_t flags, const char *text)
{
    return (struct support_segment){
        .src = c->tcp.of[from],
        .dst = c->tcp.of[role_other(from)],
        .seq = c->tcp.next[from],
        .ack = c->tcp.next[role_other(from)],
        .flags = flags,
        .payload = bytes_str(text),
    };
}

static struct verdict feed(struct live *c, const struct support_segment *seg)
{
    static uint8_t out[SUPPORT_PACKET_MAX];
    return feed_raw(c, bytes_of(out, support_segment(seg, out, sizeof out)));
}

static void passes(struct verdict v)
{
    assert_int_equal(v.kind, VERDICT_PASS);
}

static void is_reset(struct verdict v, enum reason reason)
{
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_int_equal(v.reason, reason);
}

/* The end of each test: the session still is what it was, and still judged. */
static void still_judged(struct live *c)
{
    passes(say(c, ROLE_CLIENT, stays));
    is_reset(say(c, ROLE_CLIENT, relays), REASON_EXTERNAL_RCPT);
    live_end(c);
}

static void restart(struct live *c, uint32_t client_isn, uint32_t server_isn)
{
    c->tcp.next[ROLE_CLIENT] = client_isn;
    c->tcp.next[ROLE_SERVER] = server_isn;
    c->tcp.started = false;
}

/* ---- ports used again ---- */

static void test_new_isn(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\nRCPT TO:<u@ext.exam"));
    restart(&c, 5000000, 6000000); /* without a word of farewell */
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "EHLO x\r\n")); /* not the rest of the old line */
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    still_judged(&c);
}

static void test_same_isn(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "NOOP\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    restart(&c, 100, 77777777); /* live_begin's own ISN for the client, another for the server */
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "HELP\r\n")); /* no copy of NOOP */
    passes(say(&c, ROLE_SERVER, "214 no\r\n"));
    still_judged(&c);
}

/* The same after both ended it, and both numbers as before. */
static void test_same_isn_after_fin(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "NOOP\r\n"));
    passes(say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    restart(&c, 100, 900);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "HELP\r\n"));
    passes(say(&c, ROLE_SERVER, "214 no\r\n"));
    still_judged(&c);
}

/* A SYN in the middle of it, which the server answers with a challenge ACK: nothing is new. */
static void test_syn_in_between(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    struct support_segment syn = next_of(&c, ROLE_CLIENT, TCP_SYN, "");
    syn.seq += 12345;
    passes(feed(&c, &syn));
    passes(say_flags(&c, ROLE_SERVER, TCP_ACK, ""));
    /* and where that SYN said that it would begin, the old session has not come to yet */
    struct support_segment early = next_of(&c, ROLE_CLIENT, TCP_ACK, "QUIT\r\n");
    early.seq = syn.seq + 1;
    passes(feed(&c, &early)); /* beyond a gap, which is ours to fill */
    still_judged(&c);
}

/* ---- how it begins ---- */

/* Both send a SYN before they have the other's (RFC 9293 3.5, figure 7). */
static void test_simultaneous_open(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    struct support_segment client = next_of(&c, ROLE_CLIENT, TCP_SYN, ""),
                           server = next_of(&c, ROLE_SERVER, TCP_SYN, "");
    passes(feed(&c, &client));
    passes(feed(&c, &server));
    client.flags = server.flags = TCP_SYN | TCP_ACK;
    client.ack = server.seq + 1;
    server.ack = client.seq + 1;
    passes(feed(&c, &client));
    passes(feed(&c, &server));
    c.tcp.next[ROLE_CLIENT]++;
    c.tcp.next[ROLE_SERVER]++;
    c.tcp.started = true;
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    still_judged(&c);
}

/* A SYN|ACK to a server must not make it the client, whose words nobody would judge. */
static void stray_beginning(uint16_t client_port, uint8_t flags, const char *text)
{
    struct live c;
    begin(&c);
    c.tcp.of[ROLE_CLIENT].port = client_port;
    struct support_segment stray = next_of(&c, ROLE_CLIENT, flags, text);
    (void)feed(&c, &stray);
    struct support_segment rst = next_of(&c, ROLE_SERVER, TCP_RST, "");
    (void)feed(&c, &rst);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "EHLO x\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    still_judged(&c);
}

static void test_syn_ack_to_a_server(void **state)
{
    (void)state;
    stray_beginning(40112, TCP_SYN | TCP_ACK, "");
    stray_beginning(25, TCP_SYN | TCP_ACK, ""); /* both ports are SMTP's: only the handshake tells who is who */
}

static void test_reply_to_a_server(void **state)
{
    (void)state;
    stray_beginning(40112, TCP_ACK, "250 ok\r\n");
    stray_beginning(25, TCP_ACK, "250 ok\r\n");
}

/* Both ports are SMTP's, and the policy names the server. */
static void test_servers_named(void **state)
{
    (void)state;
    struct live c;
    struct policy *p = policy_new();
    struct network server;
    struct engine_config cfg;
    assert_non_null(p);
    assert_true(network_parse("192.0.2.25", &server));
    assert_true(policy_add_server(p, &server));
    assert_true(domain_set_seal(p->local));
    p->enforce = true;
    engine_config_defaults(&cfg);
    events = (struct log){0};
    cfg.max_flows = 16;
    cfg.stream_blocks = 64;
    cfg.sink = (struct event_sink){log_event, &events};
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    live_begin(&c, e, &events);
    c.tcp.of[ROLE_CLIENT].port = 25;
    struct support_segment stray = next_of(&c, ROLE_CLIENT, TCP_ACK, "250 ok\r\n");
    struct verdict v = feed(&c, &stray);
    is_reset(v, REASON_MIDSTREAM);
    assert_int_equal(v.from, ROLE_CLIENT);
    live_end(&c);
}

/* Data in the SYN (RFC 7413): read where it stands, and again in any copy. */
static void test_data_in_syn(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    struct support_segment syn = next_of(&c, ROLE_CLIENT, TCP_SYN, relays);
    assert_int_equal(feed(&c, &syn).kind, VERDICT_DROP); /* judged, and no RST for a SYN */
    live_end(&c);

    begin(&c);
    syn = next_of(&c, ROLE_CLIENT, TCP_SYN, "RCPT TO:<u@ext.exam");
    passes(feed(&c, &syn));
    struct support_segment answer = next_of(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, "");
    answer.ack = syn.seq + 1 + (uint32_t)syn.payload.len;
    passes(feed(&c, &answer));
    c.tcp.next[ROLE_CLIENT] = answer.ack;
    c.tcp.next[ROLE_SERVER] = answer.seq + 1;
    c.tcp.started = true;
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    is_reset(say(&c, ROLE_CLIENT, "ple>\r\n"), REASON_EXTERNAL_RCPT);
    live_end(&c);

    /* not taken by the server: sent again behind the handshake, and differently */
    begin(&c);
    syn = next_of(&c, ROLE_CLIENT, TCP_SYN, "RCPT TO:<u@local");
    passes(feed(&c, &syn));
    live_open(&c);
    is_reset(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.e"), REASON_EVASION);
    live_end(&c);
}

/* Who sends data before the server answered has nobody to take them, and we keep nothing of him. */
static void test_data_before_the_handshake(void **state)
{
    (void)state;
    struct live c;
    struct engine_counters n;
    begin(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    struct support_segment early = next_of(&c, ROLE_CLIENT, TCP_ACK, "R");
    assert_int_equal(feed(&c, &early).kind, VERDICT_DROP);
    passes(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, ""));
    early.ack = c.tcp.next[ROLE_SERVER] + 4242; /* guessed */
    assert_int_equal(feed(&c, &early).kind, VERDICT_DROP);
    engine_count(c.e, &n);
    assert_int_equal(n.blocks_now, 0);
    assert_int_equal(n.out_of_window, 2);
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    still_judged(&c);
}

/* ---- idle chatter ---- */

static void test_keep_alive(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "EHLO x\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    for (int bytes = 0; bytes < 2;
         bytes++) { /* with a byte of garbage where the last one was (RFC 9293 3.8.4), or none */
        struct support_segment probe = next_of(&c, ROLE_CLIENT, TCP_ACK, bytes ? "x" : "");
        probe.seq--;
        passes(feed(&c, &probe));
        passes(say_flags(&c, ROLE_SERVER, TCP_ACK, ""));
        struct support_segment other = next_of(&c, ROLE_SERVER, TCP_ACK, bytes ? "x" : "");
        other.seq--;
        passes(feed(&c, &other));
    }
    assert_null(strstr(events.text, "alert"));
    still_judged(&c);
}

/* The server's window is shut: a probe brings one byte, again and again, and later the rest. */
static void test_zero_window(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    struct support_segment shut = next_of(&c, ROLE_SERVER, TCP_ACK, "");
    shut.zero_window = true;
    passes(feed(&c, &shut));
    struct support_segment probe = next_of(&c, ROLE_CLIENT, TCP_ACK, "R");
    for (int i = 0; i < 3; i++) {
        passes(feed(&c, &probe));
        passes(feed(&c, &shut));
    }
    still_judged(&c);

    begin(&c); /* a probe of one line, and another line in its place */
    live_open(&c);
    passes(feed(&c, &shut));
    passes(feed(&c, &probe));
    is_reset(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\n"), REASON_EVASION);
    live_end(&c);
}

/* ---- RST and FIN, in and out of window ---- */

static void test_rst_does_not_end_it(void **state)
{
    (void)state;
    static const int32_t where[] = {0, 1, 100, -1, -100, 5000, 70000, 1 << 24, INT32_MIN};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        for (int data = 0; data < 2; data++) {
            struct live c;
            begin(&c);
            live_open(&c);
            struct support_segment rst = next_of(&c, ROLE_CLIENT, TCP_RST | TCP_ACK, data ? stays : "");
            rst.seq += (uint32_t)where[i];
            rst.ttl = 1;
            passes(feed(&c, &rst));
            still_judged(&c);
        }
    }
}

/* It falls silent for so long that only a closed one is forgotten: then it is one that we know nothing of. */
static void test_rst_and_silence(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    struct support_segment rst = next_of(&c, ROLE_CLIENT, TCP_RST, "");
    passes(feed(&c, &rst));
    c.ns += 61 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    is_reset(say(&c, ROLE_CLIENT, stays), REASON_MIDSTREAM);
    live_end(&c);
}

static void test_fin_out_of_window(void **state)
{
    (void)state;
    static const int32_t where[] = {-1, -50, -5000, 1 << 24, INT32_MIN};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        struct live c;
        begin(&c);
        live_open(&c);
        passes(say(&c, ROLE_CLIENT, "EHLO x\r\n"));
        passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
        struct support_segment fin = next_of(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "");
        fin.seq += (uint32_t)where[i];
        struct verdict v = feed(&c, &fin);
        assert_true(v.kind == VERDICT_DROP || v.kind == VERDICT_RESET); /* both are said to end at one place only */
        struct verdict after = say(&c, ROLE_CLIENT, relays);
        assert_int_equal(after.kind, VERDICT_RESET);
        live_end(&c);
    }
}

/* A FIN that the server never gets (its TTL, say), and bytes behind it. */
static void test_data_behind_a_fin(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    struct support_segment fin = next_of(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "");
    fin.ttl = 1;
    passes(feed(&c, &fin));
    is_reset(say(&c, ROLE_CLIENT, relays), REASON_EVASION);
    live_end(&c);

    begin(&c); /* in front of it, and only then what it ends is complete */
    live_open(&c);
    fin = next_of(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "");
    fin.seq += (uint32_t)strlen(relays);
    passes(feed(&c, &fin));
    is_reset(say(&c, ROLE_CLIENT, relays), REASON_EXTERNAL_RCPT);
    live_end(&c);
}

/* Half closed: the client is done, the server still answers. */
static void test_half_closed(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "MAIL FROM:<>\r\nRCPT TO:<u@local.example>\r\nQUIT\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n221 bye\r\n"));
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    live_end(&c);
    assert_null(strstr(events.text, "alert"));

    begin(&c); /* a relay attempt whose line the FIN ends, without CRLF: some servers take that */
    live_open(&c);
    struct verdict v = say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "RCPT TO:<u@ext.example>");
    assert_int_equal(v.kind, VERDICT_RESET);
    live_end(&c);
}

/* ---- what receivers throw away ---- */

/* Timestamps (RFC 7323): kind 8, length 10, value, echo; two NOPs in front. */
static struct bytes timestamps(uint8_t out[static 12], uint32_t value)
{
    memcpy(out, (const uint8_t[]){1, 1, 8, 10}, 4);
    support_put32(out + 4, value);
    support_put32(out + 8, 1);
    return bytes_of(out, 12);
}

/*
 * The copy that the server throws away comes first or second: it has an old timestamp,
 * no ACK, an ACK of something never sent, lies beyond any window, is cut short by its TTL.
 */
enum thrown_away { OLD_TIMESTAMP, NO_ACK, ODD_ACK, LOW_TTL, THROWN_AWAY };

static struct support_segment thrown_away(const struct live *c, enum thrown_away how, const char *text,
                                          uint8_t *options)
{
    struct support_segment seg = next_of(c, ROLE_CLIENT, TCP_ACK, text);
    seg.options = timestamps(options, how == OLD_TIMESTAMP ? 10 : 1000);
    if (how == NO_ACK)
        seg.flags = TCP_PSH;
    if (how == ODD_ACK)
        seg.ack += 1u << 30;
    if (how == LOW_TTL)
        seg.ttl = 1;
    return seg;
}

static void test_thrown_away(void **state)
{
    (void)state;
    static const char one[] = "RCPT TO:<u@local.example>\r\n", two[] = "RCPT TO:<u@ext.example>  \r\n";
    uint8_t options[12], good[12];
    for (int how = 0; how < THROWN_AWAY; how++) {
        struct live c;
        begin(&c);
        live_open(&c);
        struct support_segment seg = thrown_away(&c, (enum thrown_away)how, one, options);
        enum verdict_kind first = feed(&c, &seg).kind;
        struct support_segment real = next_of(&c, ROLE_CLIENT, TCP_ACK, two);
        real.options = timestamps(good, 1001);
        struct verdict v = feed(&c, &real);
        assert_int_equal(v.kind, VERDICT_RESET); /* it differs from the first, or it was the first that counts */
        assert_int_equal(v.reason, first == VERDICT_DROP ? REASON_EXTERNAL_RCPT : REASON_EVASION);
        live_end(&c);

        begin(&c); /* the other way round: external, thrown away */
        live_open(&c);
        seg = thrown_away(&c, (enum thrown_away)how, two, options);
        struct verdict w = feed(&c, &seg);
        assert_true(w.kind == VERDICT_RESET || w.kind == VERDICT_DROP);
        live_end(&c);
    }
}

/* Far beyond whatever window: not stored, not let through, and the session goes on. */
static void test_out_of_window(void **state)
{
    (void)state;
    static const uint32_t where[] = {1u << 20, 1u << 24, 1u << 30, 1u << 31, UINT32_MAX - (1u << 24)};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        struct live c;
        begin(&c);
        live_open(&c);
        struct support_segment far = next_of(&c, ROLE_CLIENT, TCP_ACK, "QUIT\r\n");
        far.seq += where[i];
        enum verdict_kind kind = feed(&c, &far).kind;
        assert_true(kind == VERDICT_DROP || where[i] > 1u << 31); /* an old copy may pass: its receiver has it */
        still_judged(&c);
    }
}

static void test_bad_checksum(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    struct support_segment bad = next_of(&c, ROLE_CLIENT, TCP_ACK, "RCPT TO:<u@exx");
    bad.bad_csum = true;
    assert_int_equal(feed(&c, &bad).kind, VERDICT_DROP);
    bad = next_of(&c, ROLE_CLIENT, TCP_RST | TCP_ACK, "");
    bad.bad_csum = true;
    assert_int_equal(feed(&c, &bad).kind, VERDICT_DROP);
    still_judged(&c);
}

/* The urgent byte (RFC 6093): with any pointer, 0 included, in the middle of a command, and repeated without it. */
static void test_urgent(void **state)
{
    (void)state;
    static const uint16_t pointers[] = {0, 1, 5, 23, 24, 25, 1000, 65535};
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
        struct live c;
        begin(&c);
        live_open(&c);
        struct support_segment seg = next_of(&c, ROLE_CLIENT, TCP_ACK | TCP_URG, "RCPT TO:<u@ext.Xexample>\r\n");
        seg.urgent = pointers[i];
        is_reset(feed(&c, &seg), REASON_EVASION);
        live_end(&c);
    }
    struct live c; /* without data, too: Linux remembers the place and takes the byte out when it comes */
    begin(&c);
    live_open(&c);
    struct support_segment bare = next_of(&c, ROLE_CLIENT, TCP_ACK | TCP_URG, "");
    bare.urgent = 17;
    is_reset(feed(&c, &bare), REASON_EVASION);
    live_end(&c);
    begin(&c);
    live_open(&c);
    /* a pointer without the flag means nothing */
    struct support_segment flagless = next_of(&c, ROLE_CLIENT, TCP_ACK, stays);
    flagless.urgent = 5;
    passes(feed(&c, &flagless));
    c.tcp.next[ROLE_CLIENT] += (uint32_t)strlen(stays);
    still_judged(&c);
}

/* What lies beyond a gap is out already when the gap's bytes turn out to be a barrier (D2). */
static void test_barrier_in_a_gap(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    struct support_tcp before = c.tcp;
    c.tcp.next[ROLE_CLIENT] += 6;
    passes(say(&c, ROLE_CLIENT, "RCPT TO:<u@"));
    c.tcp = before;
    is_reset(say(&c, ROLE_CLIENT, "DATA\r\n"), REASON_EVASION);
    live_end(&c);
}

/* ---- numbers ---- */

static void test_sequence_wrap(void **state)
{
    (void)state;
    for (uint32_t back = 0; back < 60; back++) { /* at every byte of the two lines, in both directions */
        struct live c;
        begin(&c);
        restart(&c, UINT32_MAX - back, UINT32_MAX - back / 2);
        live_open(&c);
        still_judged(&c);
    }
}

/* A stream that is full takes the beginning of a long segment, so that it can go on. */
static void test_long_segment_and_little_room(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n"));
    static char body[60001];
    memset(body, 'x', sizeof body - 1);
    for (size_t i = 77; i < sizeof body - 1; i += 78)
        memcpy(body + i - 1, "\r\n", 2);
    passes(say(&c, ROLE_CLIENT, body)); /* 64 blocks are 115,712 bytes */
    struct support_tcp before = c.tcp;
    struct verdict v = say(&c, ROLE_CLIENT, body);
    assert_int_equal(v.kind, VERDICT_CLIP);
    assert_in_range(v.keep, 50000, 56000);
    c.tcp = before;
    c.tcp.next[ROLE_CLIENT] += v.keep;
    assert_int_equal(say(&c, ROLE_CLIENT, body + v.keep).kind, VERDICT_DROP); /* nothing goes any more */
    c.tcp = before;
    c.tcp.next[ROLE_CLIENT] += v.keep;
    passes(say_flags(&c, ROLE_SERVER, TCP_ACK, "")); /* acknowledged */
    passes(say(&c, ROLE_CLIENT, body + v.keep));
    passes(say(&c, ROLE_CLIENT, "\r\n.\r\n"));
    passes(say(&c, ROLE_SERVER, "250 queued\r\n"));
    still_judged(&c);
}

/* A server that is slow to greet, and a client whose bare ACK bypassed us: nobody has forgotten them. */
static void test_slow_greeting(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    passes(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, ""));
    c.ns += 290 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    c.ns += 1700 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    still_judged(&c);
}

/* ---- condemned ---- */

struct sent {
    struct reset_request last;
    int count;
};

static void take_reset(void *ctx, const struct reset_request *r)
{
    struct sent *s = ctx;
    s->last = *r;
    s->count++;
}

static void begin_with_resets(struct live *c, struct sent *sent)
{
    struct policy *p = policy_new();
    struct engine_config cfg;
    assert_non_null(p);
    assert_true(domain_set_seal(p->local));
    p->enforce = true;
    engine_config_defaults(&cfg);
    cfg.max_flows = 4;
    cfg.stream_blocks = 64;
    events = (struct log){0};
    *sent = (struct sent){0};
    cfg.sink = (struct event_sink){log_event, &events};
    cfg.resets = (struct reset_sink){take_reset, sent};
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    live_begin(c, e, &events);
    live_open(c);
    passes(say(c, ROLE_CLIENT, "MAIL FROM:<>\r\n"));
    passes(say(c, ROLE_SERVER, "250 ok\r\n"));
}

static void wait_s(struct live *c, int64_t seconds)
{
    c->ns += seconds * NS_PER_S;
    engine_tick(c->e, (struct mono){c->ns});
}

/* Nobody answers a RST, so the server's is sent again after 1, 3 and 7 s, with the number that it waits for. */
static void test_reset_again(void **state)
{
    (void)state;
    struct live c;
    struct sent sent;
    begin_with_resets(&c, &sent);
    struct support_tcp before = c.tcp;
    struct verdict v = say(&c, ROLE_CLIENT, relays);
    is_reset(v, REASON_EXTERNAL_RCPT);
    static const int wanted[] = {0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    c.ns += NS_PER_S / 2; /* the wheel's slots take part of a second */
    engine_tick(c.e, (struct mono){c.ns});
    for (size_t s = 0; s < sizeof wanted / sizeof wanted[0]; s++) {
        assert_int_equal(sent.count, wanted[s]);
        wait_s(&c, 1);
    }
    assert_true(endpoint_equal(&sent.last.from, &c.tcp.of[ROLE_CLIENT]));
    assert_true(endpoint_equal(&sent.last.to, &c.tcp.of[ROLE_SERVER]));
    assert_int_equal(sent.last.numbers.seq.v, before.next[ROLE_CLIENT]);
    assert_int_equal(sent.last.numbers.ack.v, before.next[ROLE_SERVER]);
    live_end(&c);

    begin_with_resets(&c, &sent); /* the server says itself that it is over */
    is_reset(say(&c, ROLE_CLIENT, relays), REASON_EXTERNAL_RCPT);
    passes(say_flags(&c, ROLE_SERVER, TCP_RST, ""));
    for (int i = 0; i < 10; i++)
        wait_s(&c, 1);
    assert_int_equal(sent.count, 0);
    live_end(&c);

    begin_with_resets(&c, &sent); /* a new connection from there: it is none of the old one's business */
    is_reset(say(&c, ROLE_CLIENT, relays), REASON_EXTERNAL_RCPT);
    restart(&c, 70000, 80000);
    live_open(&c);
    for (int i = 0; i < 10; i++)
        wait_s(&c, 1);
    assert_int_equal(sent.count, 0);
    live_end(&c);
}

/* conntrack may forget: what comes is answered by the engine, to each end, for as long as it comes (V2). */
static void test_stays_condemned(void **state)
{
    (void)state;
    struct live c;
    struct sent sent;
    begin_with_resets(&c, &sent);
    is_reset(say(&c, ROLE_CLIENT, relays), REASON_EXTERNAL_RCPT);
    for (int i = 0; i < 20; i++) {
        c.ns += 50 * NS_PER_S;
        engine_tick(c.e, (struct mono){c.ns});
        is_reset(say(&c, ROLE_CLIENT, stays), REASON_EXTERNAL_RCPT);
        struct verdict v = say(&c, ROLE_SERVER, "250 ok\r\n");
        is_reset(v, REASON_EXTERNAL_RCPT);
        assert_int_equal(v.tell_sender, i == 0);
    }
    live_end(&c);
}

/* The offending segment comes out of order, or is a repetition: the numbers are those that the server waits for. */
static void test_reset_numbers(void **state)
{
    (void)state;
    struct live c;
    struct sent sent;
    begin_with_resets(&c, &sent);
    struct support_tcp before = c.tcp;
    c.tcp.next[ROLE_CLIENT] += 4;
    passes(say(&c, ROLE_CLIENT, relays + 4)); /* beyond a gap */
    c.tcp = before;
    struct verdict v = say(&c, ROLE_CLIENT, "RCPT");
    is_reset(v, REASON_EXTERNAL_RCPT);
    assert_int_equal(v.onward.seq.v, before.next[ROLE_CLIENT]);
    assert_int_equal(v.back.seq.v, before.next[ROLE_SERVER]);
    v = say(&c, ROLE_CLIENT, relays + 4); /* again */
    is_reset(v, REASON_EXTERNAL_RCPT);
    assert_int_equal(v.onward.seq.v, before.next[ROLE_CLIENT]);
    live_end(&c);
}

/* ---- many ---- */

/* A full table goes on with those whose client was heard to have got the server's number. */
static void test_flood(void **state)
{
    (void)state;
    struct live c, honest;
    struct engine_counters n;
    begin(&c);
    honest = c;
    honest.tcp.of[ROLE_CLIENT].port = 999;
    live_open(&honest);
    for (uint32_t i = 0; i < 1000; i++) {
        c.ns += 100 * NS_PER_MS;
        c.tcp.of[ROLE_CLIENT].port = (uint16_t)(2000 + i);
        restart(&c, i * 7, 0);
        (void)say_flags(&c, ROLE_CLIENT, TCP_SYN, "");
        c.tcp.next[ROLE_SERVER] = 1;
        (void)say_flags(&c, ROLE_CLIENT, TCP_ACK, "R"); /* and some data for nobody */
    }
    engine_count(c.e, &n);
    assert_int_equal(n.flows_now, 16);
    assert_int_equal(n.blocks_now, 0);
    assert_int_equal(n.flows_refused, 0);
    assert_in_range(n.flows_evicted, 900, 1000);
    honest.ns = c.ns;
    still_judged(&honest);
}

/* ---- QUIT: from there on the firewall lets by what can't matter ---- */

static void leave(struct live *c)
{
    live_open(c);
    passes(say(c, ROLE_CLIENT, "EHLO x\r\n"));
    passes(say(c, ROLE_SERVER, "250 ok\r\n"));
    struct verdict v = say(c, ROLE_CLIENT, "QUIT\r\n");
    passes(v);
    assert_true(v.over);
}

static void unseen(struct live *c, enum role from, uint32_t numbers)
{
    c->tcp.next[from] = c->tcp.next[from] + numbers;
}

static void test_quit(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    live_open(&c);
    assert_false(say(&c, ROLE_CLIENT, "EHLO x\r\n").over);
    assert_false(say(&c, ROLE_SERVER, "250 ok\r\n").over);
    assert_false(say(&c, ROLE_CLIENT, "QUIT now\r\n").over); /* some say 501 to that, and go on */
    assert_false(say(&c, ROLE_SERVER, "501 no\r\n").over);
    assert_false(say(&c, ROLE_CLIENT, "NOOP\r\nQUIT\r\n").over); /* the server hasn't come to it yet */
    assert_true(say(&c, ROLE_SERVER, "250 ok\r\n").over);
    live_end(&c);
}

static void test_quit_is_nothing_in_monitor_mode(void **state)
{
    (void)state;
    struct live c;
    events = (struct log){0};
    struct engine_config cfg;
    engine_config_defaults(&cfg);
    cfg.stance = STANCE_WATCH;
    cfg.live = true;
    cfg.max_flows = 16;
    cfg.stream_blocks = 256;
    cfg.stream_block_limit = 64;
    struct engine *e = engine_new(&cfg, support_policy(false));
    assert_non_null(e);
    live_begin(&c, e, &events);
    live_open(&c);
    assert_false(say(&c, ROLE_CLIENT, "QUIT\r\n").over);
    assert_false(say(&c, ROLE_SERVER, "221 bye\r\n").over);
    live_end(&c);
}

static void test_quit_nothing_else_is_seen(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    leave(&c);
    unseen(&c, ROLE_SERVER, 9); /* 221 bye */
    struct verdict v = say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, "");
    passes(v);
    assert_true(v.over);
    struct engine_counters n;
    engine_count(c.e, &n);
    assert_int_equal(n.blocks_now, 0); /* the server's FIN says that it has QUIT */
    c.ns += 61 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    engine_count(c.e, &n);
    assert_int_equal(n.flows_now, 0);
    assert_null(strstr(events.text, "alert"));
    live_end(&c);
}

/* A client that ends its side at once: the server's FIN acknowledges one number that we never saw. */
static void test_quit_and_fin_unseen(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    leave(&c);
    unseen(&c, ROLE_CLIENT, 1);
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, "221 bye\r\n"));
    assert_null(strstr(events.text, "alert"));
    live_end(&c);
}

static void test_nothing_behind_quit(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    leave(&c);
    struct support_segment again = next_of(&c, ROLE_CLIENT, TCP_ACK, "QUIT\r\n");
    again.seq -= 6;
    passes(feed(&c, &again)); /* it was lost behind us */
    struct support_segment more = next_of(&c, ROLE_CLIENT, TCP_ACK, "NOOP\r\n");
    assert_int_equal(feed(&c, &more).kind, VERDICT_DROP);
    more = next_of(&c, ROLE_CLIENT, TCP_ACK | TCP_FIN, "NOO");
    more.seq += 6;
    assert_int_equal(feed(&c, &more).kind, VERDICT_DROP);
    again.payload = bytes_str("QUIT\r\nNOOP\r\n");
    struct verdict v = feed(&c, &again);
    assert_int_equal(v.kind, VERDICT_CLIP);
    assert_int_equal(v.keep, 6);
    live_end(&c);

    begin(&c);
    leave(&c);
    again = next_of(&c, ROLE_CLIENT, TCP_ACK, "NOOP\r\n");
    again.seq -= 6;
    is_reset(feed(&c, &again), REASON_EVASION); /* another copy of QUIT */
    live_end(&c);

    begin(&c);
    leave(&c);
    more = next_of(&c, ROLE_CLIENT, TCP_ACK, relays);
    is_reset(feed(&c, &more), REASON_EXTERNAL_RCPT);
    live_end(&c);
}

static void test_port_of_quit(void **state)
{
    (void)state;
    struct live c;
    begin(&c);
    leave(&c);
    restart(&c, 100, 900); /* the numbers of before, both of them */
    live_open(&c);
    assert_false(say(&c, ROLE_CLIENT, "HELP\r\n").over);
    passes(say(&c, ROLE_SERVER, "214 no\r\n"));
    still_judged(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_isn),
        cmocka_unit_test(test_same_isn),
        cmocka_unit_test(test_same_isn_after_fin),
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_quit_is_nothing_in_monitor_mode),
        cmocka_unit_test(test_quit_nothing_else_is_seen),
        cmocka_unit_test(test_quit_and_fin_unseen),
        cmocka_unit_test(test_nothing_behind_quit),
        cmocka_unit_test(test_port_of_quit),
        cmocka_unit_test(test_syn_in_between),
        cmocka_unit_test(test_simultaneous_open),
        cmocka_unit_test(test_syn_ack_to_a_server),
        cmocka_unit_test(test_reply_to_a_server),
        cmocka_unit_test(test_servers_named),
        cmocka_unit_test(test_data_in_syn),
        cmocka_unit_test(test_data_before_the_handshake),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_zero_window),
        cmocka_unit_test(test_rst_does_not_end_it),
        cmocka_unit_test(test_rst_and_silence),
        cmocka_unit_test(test_fin_out_of_window),
        cmocka_unit_test(test_data_behind_a_fin),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_thrown_away),
        cmocka_unit_test(test_out_of_window),
        cmocka_unit_test(test_bad_checksum),
        cmocka_unit_test(test_urgent),
        cmocka_unit_test(test_barrier_in_a_gap),
        cmocka_unit_test(test_sequence_wrap),
        cmocka_unit_test(test_long_segment_and_little_room),
        cmocka_unit_test(test_slow_greeting),
        cmocka_unit_test(test_reset_again),
        cmocka_unit_test(test_stays_condemned),
        cmocka_unit_test(test_reset_numbers),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests_name("engine, TCP", tests, NULL, NULL);
}
