/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/event.h"

#include <assert.h>

const char *detail_name(enum detail d)
{
    static const char *const names[DETAIL_COUNT] = {
        [DETAIL_NONE] = "",           [DETAIL_LONG_LINE] = "long-line", [DETAIL_NUL] = "nul",
        [DETAIL_BARE_CR] = "bare-cr", [DETAIL_BARE_LF] = "bare-lf",
    };
    return d < DETAIL_COUNT ? names[d] : "";
}

void event_clear(struct event *ev)
{
    memset(ev, 0, offsetof(struct event, text));
}

void event_put(struct event *ev, struct event_span *span, struct bytes text, size_t max)
{
    size_t room = sizeof ev->text - ev->text_len, len = text.len;
    if (len > max)
        len = max;
    if (len > room)
        len = room;
    span->at = ev->text_len;
    span->len = (uint16_t)len;
    span->cut = len < text.len;
    span->set = true;
    if (len > 0)
        memcpy(ev->text + ev->text_len, text.at, len);
    ev->text_len = (uint16_t)(ev->text_len + len);
}

struct bytes event_text(const struct event *ev, const struct event_span *span)
{
    return bytes_of(ev->text + span->at, span->len);
}

size_t event_size(const struct event *ev)
{
    return offsetof(struct event, text) + ev->text_len;
}

static bool span_valid(const struct event *ev, const struct event_span *span)
{
    return (uint32_t)span->at + span->len <= ev->text_len;
}

bool event_valid(const struct event *ev, size_t size)
{
    if (size < offsetof(struct event, text) || ev->text_len > sizeof ev->text || size != event_size(ev))
        return false;
    if (ev->kind < EVENT_RCPT || ev->kind > EVENT_REPLY || ev->reason >= REASON_COUNT || ev->action > ACTION_BAN)
        return false;
    if (ev->domain_count > RECIPIENT_DOMAINS || ev->tag > TAGS_MAX || ev->gap_from > ROLE_SERVER ||
        ev->detail >= DETAIL_COUNT)
        return false;
    if (memchr(ev->tag_name, '\0', sizeof ev->tag_name) == NULL)
        return false;
    for (size_t i = 0; i < ev->domain_count; i++)
        if (!span_valid(ev, &ev->domains[i]))
            return false;
    return span_valid(ev, &ev->helo) && span_valid(ev, &ev->mail_from) && span_valid(ev, &ev->rcpt_to) &&
           span_valid(ev, &ev->lists);
}
