/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tests/support_smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support.h"

static void broken(const char *what)
{
    fprintf(stderr, "support_smtp: %s\n", what);
    abort();
}

struct play *play_new(void)
{
    struct play *p = calloc(1, sizeof(*p));
    if (p == NULL)
        broken("out of memory");
    p->guarded = guard_room(PLAY_ROOM);
    p->events = calloc(1, PLAY_EVENTS);
    for (int r = 0; r < ROLE_COUNT; r++)
        p->unread[r] = malloc(PLAY_ROOM);
    if (p->events == NULL || p->unread[0] == NULL || p->unread[1] == NULL)
        broken("out of memory");
    p->cfg.line_max = SMTP_LINE_MAX_DEFAULT;
    return p;
}

void play_free(struct play *p)
{
    guard_room_free(p->guarded, PLAY_ROOM);
    for (int r = 0; r < ROLE_COUNT; r++)
        free(p->unread[r]);
    free(p->events);
    free(p);
}

void play_start(struct play *p, enum smtp_start how)
{
    smtp_start(&p->s, how);
    p->len[0] = p->len[1] = p->events_len = p->calls = 0;
    p->fin[0] = p->fin[1] = p->waits = false;
    p->events[0] = 0;
}

static void put(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->events + p->events_len, PLAY_EVENTS - p->events_len, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= PLAY_EVENTS - p->events_len)
        broken("too many events");
    p->events_len += (size_t)n;
}

static void put_text(struct play *p, struct bytes b)
{
    put(p, b.len > 0 ? " " : "");
    for (size_t i = 0; i < b.len; i++)
        put(p, b.at[i] >= ' ' && b.at[i] < 0x7f && b.at[i] != '\\' ? "%c" : "\\x%02x", b.at[i]);
    put(p, "\n");
}

static const char *trouble_word(enum smtp_trouble t)
{
    switch (t) {
    case SMTP_SMUGGLING:
        return "smuggling";
    case SMTP_DESYNC:
        return "desync";
    case SMTP_INJECTION:
        return "injection";
    case SMTP_MALFORMED:
        return "malformed";
    }
    return "no such trouble";
}

static void write_down(struct play *p, const struct smtp_event *ev)
{
    const char *mark = ev->suspect ? "?" : "";
    switch (ev->kind) {
    case SMTP_SAW_HELO:
        put(p, "helo%s", mark);
        put_text(p, ev->text);
        break;
    case SMTP_SAW_MAIL:
        put(p, "mail%s", mark);
        put_text(p, ev->text);
        break;
    case SMTP_SAW_RCPT:
        put(p, "rcpt%s %u", mark, ev->ordinal);
        put_text(p, ev->text);
        break;
    case SMTP_SAW_RCPT_REPLY:
        put(p, "reply%s %u %u\n", mark, ev->ordinal, ev->code);
        break;
    case SMTP_SAW_MESSAGE:
        put(p, "message%s\n", mark);
        break;
    case SMTP_SAW_STARTTLS:
        put(p, "starttls%s\n", mark);
        break;
    case SMTP_SAW_TROUBLE:
        put(p, "%s%s\n", trouble_word(ev->trouble), mark);
        break;
    }
}

/* Pulls one role's side until it stops, as the engine does; true: something moved. */
static bool pull(struct play *p, enum role from)
{
    bool moved = false, gathered = false;
    for (;;) {
        size_t n = p->len[from];
        if (p->offer_max > 0 && n > p->offer_max && !gathered)
            n = p->offer_max;
        bool all = n == p->len[from];
        if (n == 0 && !p->fin[from])
            return moved;
        uint8_t *copy = p->guarded + PLAY_ROOM - n;
        memcpy(copy, p->unread[from], n);
        struct bytes in = bytes_of(copy, n);
        struct smtp_event ev;
        p->calls++;
        enum smtp_step step = smtp_next(&p->cfg, &p->s, from, &in, all && p->fin[from], &ev);
        if (in.len > n || (in.len > 0 && in.at + in.len != copy + n))
            broken("smtp_next gave back other bytes than it was offered");
        if (step == SMTP_EVENT && ev.text.len > 0 && (ev.text.at < copy || ev.text.at + ev.text.len > copy + n))
            broken("the text of an event lies outside what was offered");
        if (step == SMTP_EVENT) {
            if (p->on_event != NULL)
                p->on_event(p->ctx, &ev);
            write_down(p, &ev);
        }
        size_t taken = n - in.len;
        p->len[from] -= taken;
        memmove(p->unread[from], p->unread[from] + taken, p->len[from]);
        moved |= taken > 0 || step == SMTP_EVENT;
        if (from == ROLE_CLIENT)
            p->waits = step == SMTP_WAIT;
        if (step == SMTP_WAIT || step == SMTP_OPAQUE)
            return moved;
        if (step == SMTP_EVENT) {
            gathered = false;
            continue;
        }
        if (taken > 0 && in.len == 0 && p->len[from] > 0)
            continue;
        if (gathered || all)
            return moved;
        gathered = true;
    }
}

static void pump(struct play *p)
{
    bool moved = true;
    while (moved) {
        moved = pull(p, ROLE_SERVER);
        moved |= pull(p, ROLE_CLIENT);
    }
}

void play_feed(struct play *p, enum role from, struct bytes b)
{
    if (b.len > PLAY_ROOM - p->len[from])
        broken("too much is unread");
    if (b.len > 0)
        memcpy(p->unread[from] + p->len[from], b.at, b.len);
    p->len[from] += b.len;
    pump(p);
}

void play_fin(struct play *p, enum role from)
{
    p->fin[from] = true;
    pump(p);
}

/* As the engine does it: what stands before the gap is judged as it is, and the rest of it thrown away. */
void play_gap(struct play *p, enum role from)
{
    if (from == ROLE_CLIENT && p->waits)
        smtp_gap(&p->s, ROLE_SERVER);
    p->fin[from] = true;
    if (p->len[from] > 0)
        (void)pull(p, from);
    p->fin[from] = false;
    p->len[from] = 0;
    smtp_gap(&p->s, from);
    pump(p);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One byte, escaped or not; returns how many characters it took. */
static size_t one_byte(const char *from, size_t len, uint8_t *out)
{
    if (from[0] != '\\' || len < 2) {
        *out = (uint8_t)from[0];
        return 1;
    }
    switch (from[1]) {
    case 'r':
        *out = '\r';
        return 2;
    case 'n':
        *out = '\n';
        return 2;
    case 't':
        *out = '\t';
        return 2;
    case '\\':
        *out = '\\';
        return 2;
    case 'x':
        if (len < 4 || hex(from[2]) < 0 || hex(from[3]) < 0)
            broken("\\x without two hexadecimal digits");
        *out = (uint8_t)(hex(from[2]) * 16 + hex(from[3]));
        return 4;
    }
    broken("no such escape");
    return 0;
}

size_t play_unescape(const char *from, size_t len, uint8_t *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        uint8_t c;
        size_t times = 1;
        if (from[i] == '{') {
            i += 1 + one_byte(from + i + 1, len - i - 1, &c);
            char *end;
            if (from[i] != '*')
                broken("{ without *");
            times = strtoul(from + i + 1, &end, 10);
            i = (size_t)(end - from) + 1;
        } else {
            i += one_byte(from + i, len - i, &c);
        }
        if (times > room - n)
            broken("a line of the script is too long");
        memset(out + n, c, times);
        n += times;
    }
    return n;
}

struct piece {
    enum { SAYS, ENDS, MISSES } what;
    enum role from;
    size_t at, len; /* in bytes[] */
};

struct script {
    struct piece pieces[512];
    size_t count;
    size_t longest;
    uint8_t bytes[PLAY_ROOM];
};

static struct script parsed;

static enum role role_of(char c)
{
    if (ascii_lower((uint8_t)c) != 'c' && ascii_lower((uint8_t)c) != 's')
        broken("a line of the script is neither C: nor S: nor gap nor fin");
    return ascii_lower((uint8_t)c) == 'c' ? ROLE_CLIENT : ROLE_SERVER;
}

static void parse(const char *text, bool merge)
{
    size_t used = 0;
    parsed.count = parsed.longest = 0;
    while (*text != 0) {
        size_t len = strcspn(text, "\n");
        struct piece next = {.at = used};
        if (parsed.count == sizeof(parsed.pieces) / sizeof(parsed.pieces[0]))
            broken("the script has too many lines");
        if (len == 5 && (strncmp(text, "gap ", 4) == 0 || strncmp(text, "fin ", 4) == 0)) {
            next.what = text[0] == 'g' ? MISSES : ENDS;
            next.from = role_of(text[4]);
        } else {
            if (len < 2 || text[1] != ':')
                broken("a line of the script is neither C: nor S: nor gap nor fin");
            next.what = SAYS;
            next.from = role_of(text[0]);
            size_t skip = len > 2 && text[2] == ' ' ? 3 : 2;
            next.len = play_unescape(text + skip, len - skip, parsed.bytes + used, sizeof(parsed.bytes) - used - 2);
            if (text[0] == 'C' || text[0] == 'S') {
                memcpy(parsed.bytes + used + next.len, "\r\n", 2);
                next.len += 2;
            }
            used += next.len;
        }
        struct piece *last = parsed.count > 0 ? &parsed.pieces[parsed.count - 1] : NULL;
        if (merge && next.what == SAYS && last != NULL && last->what == SAYS && last->from == next.from)
            last->len += next.len;
        else
            parsed.pieces[parsed.count++] = next;
        if (next.len > parsed.longest)
            parsed.longest = next.len;
        text += len + (text[len] == '\n');
    }
}

static void feed_cut(struct play *p, const struct piece *piece, size_t step)
{
    struct bytes b = bytes_of(parsed.bytes + piece->at, piece->len);
    if (step == 0 || step >= b.len) {
        play_feed(p, piece->from, b);
        return;
    }
    play_feed(p, piece->from, bytes_first(b, step));
    play_feed(p, piece->from, bytes_from(b, step));
}

void play_script(struct play *p, enum smtp_start how, const char *script, enum play_cut cut, size_t at)
{
    parse(script, cut == PLAY_MERGED);
    play_start(p, how);
    for (size_t i = 0; i < parsed.count; i++) {
        const struct piece *piece = &parsed.pieces[i];
        switch (piece->what) {
        case SAYS:
            for (size_t n = 0; cut == PLAY_BYTES && n < piece->len; n++)
                play_feed(p, piece->from, bytes_of(parsed.bytes + piece->at + n, 1));
            if (cut != PLAY_BYTES)
                feed_cut(p, piece, cut == PLAY_AT ? at : 0);
            break;
        case ENDS:
            play_fin(p, piece->from);
            break;
        case MISSES:
            play_gap(p, piece->from);
            break;
        }
    }
    play_fin(p, ROLE_SERVER);
    play_fin(p, ROLE_CLIENT);
}

bool play_same_facts(const struct smtp_facts *a, const struct smtp_facts *b)
{
    return a->greeted == b->greeted && a->chunking_offered == b->chunking_offered &&
           a->starttls_offered == b->starttls_offered && a->auth_offered == b->auth_offered &&
           a->starttls == b->starttls && a->auth_used == b->auth_used && a->auth_succeeded == b->auth_succeeded &&
           a->recognised == b->recognised && a->commands == b->commands && a->rcpts == b->rcpts &&
           a->messages == b->messages;
}

static void compare(struct play *p, const char *file, int line, const char *how, size_t at, const char *expect,
                    const struct smtp_facts *facts)
{
    bool same_facts = facts == NULL || play_same_facts(facts, &p->s.facts);
    if (strcmp(p->events, expect) == 0 && same_facts)
        return;
    print_error("%s:%d, %s %zu:%s\n--- expected\n%s--- seen\n%s", file, line, how, at,
                same_facts ? "" : " other facts than when it came whole", expect, p->events);
    _fail(file, line);
}

void play_check(const char *file, int line, enum smtp_start how, const char *script, const char *expect)
{
    struct play *p = play_new();
    play_script(p, how, script, PLAY_WHOLE, 0);
    char *seen = expect == NULL ? strdup(p->events) : NULL;
    if (expect == NULL)
        expect = seen;
    if (expect == NULL)
        broken("out of memory");
    compare(p, file, line, "whole", 0, expect, NULL);
    struct smtp_facts facts = p->s.facts;
    play_script(p, how, script, PLAY_MERGED, 0);
    compare(p, file, line, "merged", 0, expect, &facts);
    play_script(p, how, script, PLAY_BYTES, 0);
    compare(p, file, line, "bytes", 1, expect, &facts);
    size_t longest = parsed.longest;
    for (size_t at = 1; at < longest; at += at < 200 ? 1 : 97) {
        play_script(p, how, script, PLAY_AT, at);
        compare(p, file, line, "cut behind", at, expect, &facts);
    }
    p->offer_max = 7;
    play_script(p, how, script, PLAY_MERGED, 0);
    compare(p, file, line, "offered by", p->offer_max, expect, &facts);
    free(seen);
    play_free(p);
}
