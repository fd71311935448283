/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that wait for their replies, in order; runs of one kind share an entry. */
#include "kmod-free/smtp_internal.h"

#include <assert.h>

static unsigned slot(const struct smtp *s, unsigned i)
{
    return (s->pending_head + i) % SMTP_PENDING_MAX;
}

bool smtp_pending_room(const struct smtp *s)
{
    return s->pending_used + 3 <= SMTP_PENDING_MAX;
}

void smtp_pending_push(struct smtp *s, enum smtp_pending kind)
{
    if (kind == SMTP_PENDING_RCPT_UNSURE && s->pending_used == 0) {
        s->rcpt_replies++;
        return;
    }
    if (s->pending_used > 0) {
        unsigned last = slot(s, s->pending_used - 1u);
        if (s->pending_kind[last] == kind && s->pending_count[last] < UINT16_MAX) {
            s->pending_count[last]++;
            return;
        }
    }
    assert(s->pending_used < SMTP_PENDING_MAX);
    unsigned at = slot(s, s->pending_used++);
    s->pending_kind[at] = (uint8_t)kind;
    s->pending_count[at] = 1;
}

void smtp_pending_insert(struct smtp *s, enum smtp_pending kind, uint16_t count)
{
    assert(s->pending_used < SMTP_PENDING_MAX && count > 0);
    s->pending_head = (uint8_t)slot(s, SMTP_PENDING_MAX - 1);
    s->pending_used++;
    s->pending_kind[s->pending_head] = (uint8_t)kind;
    s->pending_count[s->pending_head] = count;
}

unsigned smtp_pending_last(const struct smtp *s)
{
    return s->pending_used > 0 ? s->pending_kind[slot(s, s->pending_used - 1u)] : 0;
}

bool smtp_leaving(const struct smtp *s)
{
    return s->client == SMTP_AT_COMMAND && smtp_is(s, SMTP_QUIT_LAST) && s->pending_used == 1 &&
           s->pending_kind[slot(s, 0)] == SMTP_PENDING_QUIT && s->pending_count[slot(s, 0)] == 1;
}

bool smtp_pending_silent(const struct smtp *s, unsigned entries)
{
    for (unsigned i = 0; i < entries; i++) {
        uint8_t kind = s->pending_kind[slot(s, i)];
        if (kind != SMTP_PENDING_EMPTY && kind != SMTP_PENDING_RCPT_UNSURE)
            return false;
    }
    return true;
}

/* Codes below 200 never get here; 4yz and 5yz answer anything. */
static bool fits(enum smtp_pending kind, uint16_t code)
{
    bool special = code == 221 || code == 235;
    bool done = code >= 200 && code < 300 && !special;
    if (code >= 400 && kind != SMTP_PENDING_RCPT_UNSURE)
        return true;
    switch (kind) {
    case SMTP_PENDING_BANNER:
        return code == 220;
    case SMTP_PENDING_RCPT_UNSURE:
        return false;
    case SMTP_PENDING_EMPTY:
        return false;
    case SMTP_PENDING_QUIT:
        return done || code == 221;
    case SMTP_PENDING_DATA:
        return code >= 300 && code != 334;
    case SMTP_PENDING_STARTTLS:
        return done;
    case SMTP_PENDING_AUTH:
        return done || code == 235 || code == 334;
    case SMTP_PENDING_XEXCH50:
        return done || code == 354;
    case SMTP_PENDING_OTHER:
        return code != 354;
    case SMTP_PENDING_HELO:
    case SMTP_PENDING_LHLO:
    case SMTP_PENDING_MAIL:
    case SMTP_PENDING_RCPT:
    case SMTP_PENDING_PLAIN:
    case SMTP_PENDING_END:
    case SMTP_PENDING_BDAT:
    case SMTP_PENDING_BDAT_LAST:
    case SMTP_PENDING_BDAT_ODD:
    case SMTP_PENDING_TURN:
        return done;
    }
    return false;
}

unsigned smtp_pending_find(const struct smtp *s, uint16_t code)
{
    for (unsigned i = 0; i < s->pending_used; i++)
        if (fits((enum smtp_pending)s->pending_kind[slot(s, i)], code))
            return i;
    return SMTP_PENDING_MAX;
}

static bool is_rcpt(uint8_t kind)
{
    return kind == SMTP_PENDING_RCPT || kind == SMTP_PENDING_RCPT_UNSURE;
}

/* n of the first entry. */
static void take(struct smtp *s, uint16_t n)
{
    unsigned at = s->pending_head;
    if (is_rcpt(s->pending_kind[at]))
        s->rcpt_replies += n;
    s->pending_count[at] = (uint16_t)(s->pending_count[at] - n);
    if (s->pending_count[at] > 0)
        return;
    s->pending_head = (uint8_t)slot(s, 1);
    s->pending_used--;
}

void smtp_client_may_go_on(struct smtp *s)
{
    bool held_back = s->client != SMTP_UNSURE && (smtp_is(s, SMTP_BARRIER) || !smtp_pending_room(s) ||
                                                  (s->client == SMTP_IN_CHUNK && smtp_is(s, SMTP_UNSETTLED)));
    if (!smtp_is(s, SMTP_CLIENT_WAITS) || held_back)
        return;
    smtp_clear(s, SMTP_CLIENT_WAITS);
    smtp_set(s, SMTP_CLIENT_FIRST);
}

/* Those that perhaps get no reply don't keep the queue from being empty. */
static void settle(struct smtp *s)
{
    while (s->pending_used > 0 && s->pending_kind[s->pending_head] == SMTP_PENDING_RCPT_UNSURE)
        take(s, s->pending_count[s->pending_head]);
    if (s->pending_used == 0)
        smtp_clear(s, SMTP_BARRIER);
    if (s->pending_used == 0 && !smtp_is(s, SMTP_CLIENT_WAITS)) {
        /* Nothing was said behind that line, so it was the line that was answered. */
        if (smtp_is(s, SMTP_DOUBT_LF))
            smtp_set(s, SMTP_LF_SERVER);
        smtp_clear(s, SMTP_IN_DOUBT | SMTP_DOUBT_LF);
    }
    smtp_client_may_go_on(s);
}

enum smtp_pending smtp_pending_pop(struct smtp *s, uint32_t *ordinal)
{
    assert(s->pending_used > 0);
    enum smtp_pending kind = (enum smtp_pending)s->pending_kind[s->pending_head];
    *ordinal = s->rcpt_replies;
    take(s, 1);
    settle(s);
    return kind;
}

void smtp_pending_drop(struct smtp *s, unsigned entries)
{
    assert(entries <= s->pending_used);
    if (entries > 0)
        s->transaction = SMTP_NO_TRANSACTION;
    while (entries-- > 0)
        take(s, s->pending_count[s->pending_head]);
    settle(s);
}

unsigned smtp_pending_first(const struct smtp *s)
{
    return s->pending_used > 0 ? s->pending_kind[s->pending_head] : 0;
}

bool smtp_pending_single(const struct smtp *s)
{
    return s->pending_used == 1 && s->pending_count[s->pending_head] == 1;
}

void smtp_pending_forget_all(struct smtp *s)
{
    s->pending_used = 0;
    s->transaction = SMTP_NO_TRANSACTION;
    s->rcpt_replies = s->facts.rcpts;
    smtp_clear(s, SMTP_BARRIER);
    smtp_client_may_go_on(s);
}

void smtp_pending_forget(struct smtp *s)
{
    bool banner = s->pending_used > 0 && s->pending_kind[s->pending_head] == SMTP_PENDING_BANNER;
    smtp_pending_forget_all(s);
    if (banner)
        smtp_pending_push(s, SMTP_PENDING_BANNER);
}
