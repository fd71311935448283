// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmod-free/report/event_line.h"

#include "kmod-free/report/escape.h"
#include "kmod-free/report/event_json.h"

#include <assert.h>
#include <stdio.h>

/* What stands behind the texts, and must not fall off the end with them. */
#define TAIL_MAX sizeof " cut=yes ban=4294967295s count=18446744073709551615"

struct line {
    char *out;
    size_t len, room;
    bool cut;
};

static void put(struct line *l, const char *text)
{
    size_t n = strlen(text);

    if (l->room - l->len <= n) {
        l->cut = true;
        n = l->room - l->len - 1;
    }
    memcpy(l->out + l->len, text, n);
    l->len += n;
    l->out[l->len] = '\0';
}

static void put_endpoint(struct line *l, const char *key, const struct endpoint *e)
{
    char text[80], addr[48];

    ip_addr_text(&e->addr, addr);
    snprintf(text, sizeof text, e->addr.family == 6 ? " %s=[%s]:%u" : " %s=%s:%u", key, addr, (unsigned)e->port);
    put(l, text);
}

/* key="value", with its closing quote even where the value is cut; nothing if not even the key fits. */
static void put_quoted(struct line *l, const char *key, const struct event *ev, const struct event_span *span)
{
    size_t head = 1 + strlen(key) + 2;
    bool cut = false;

    if (!span->set)
        return;
    if (l->room - l->len < head + 2) {
        l->cut = true;
        return;
    }
    put(l, " ");
    put(l, key);
    put(l, "=\"");
    l->len += escape_quoted(event_text(ev, span), l->out + l->len, l->room - l->len - 1, &cut);
    put(l, "\"");
    l->cut |= cut || span->cut;
}

static void put_word(struct line *l, struct bytes word)
{
    bool cut = false;

    l->len += escape_word(word, l->out + l->len, l->room - l->len, &cut);
    l->cut |= cut;
}

static void put_domains(struct line *l, const struct event *ev)
{
    for (size_t i = 0; i < ev->domain_count && i < RECIPIENT_DOMAINS; i++) {
        put(l, i == 0 ? " domains=" : ",");
        put_word(l, event_text(ev, &ev->domains[i]));
    }
}

static void put_via(struct line *l, const struct event *ev)
{
    const char *before = " via=";

    for (unsigned i = 0; i < VIA_COUNT; i++) {
        if (!(ev->via & 1u << i))
            continue;
        put(l, before);
        put(l, via_name(1u << i));
        before = ",";
    }
}

/* "RESET", or "WOULD-RESET" where monitor mode leaves it at the word. */
static void put_action(struct line *l, const struct event *ev)
{
    char upper[16];
    size_t n = 0;

    for (const char *at = action_name(ev->action); *at != '\0' && n + 1 < sizeof upper; at++)
        upper[n++] = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    upper[n] = '\0';
    if (!ev->enforced && ev->action >= ACTION_REFUSE)
        put(l, "WOULD-");
    put(l, upper);
}

size_t event_to_line(const struct event *ev, uint64_t count, char *out, size_t room)
{
    struct line l = {.out = out, .room = room > TAIL_MAX + 36 ? room - TAIL_MAX : room};
    char tail[TAIL_MAX];

    assert(room > 0);
    out[0] = '\0';
    put_action(&l, ev);
    put(&l, " ");
    put(&l, reason_name(ev->reason));
    put(&l, " tag=");
    put_word(&l, bytes_of(ev->tag_name, strnlen(ev->tag_name, sizeof ev->tag_name)));
    put_endpoint(&l, "src", &ev->client);
    put_endpoint(&l, "dst", &ev->server);
    if (ev->detail != DETAIL_NONE) {
        put(&l, " detail=");
        put(&l, detail_name(ev->detail));
    }
    put_quoted(&l, "helo", ev, &ev->helo);
    put_quoted(&l, "from", ev, &ev->mail_from);
    put_quoted(&l, "rcpt", ev, &ev->rcpt_to);
    put_quoted(&l, "lists", ev, &ev->lists);
    put_domains(&l, ev);
    put_via(&l, ev);
    char ban[sizeof " ban=4294967295s"] = "";
    if (ev->ban_for_s > 0)
        snprintf(ban, sizeof ban, " ban=%lus", (unsigned long)ev->ban_for_s);
    snprintf(tail, sizeof tail, "%s%s count=%llu", l.cut ? " cut=yes" : "", ban, (unsigned long long)count);
    l.room = room;
    put(&l, tail);
    return l.len;
}
