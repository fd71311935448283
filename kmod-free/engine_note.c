/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a session's client said of itself, in as few small blocks as it needs: a name and a sender are mostly short,
 * there are as many of them as sessions, and they are looked at only when something is reported.
 */
#include "kmod-free/engine_internal.h"

static size_t note_size(const struct note *n)
{
    return offsetof(struct note, text) + n->helo_len + n->mail_len;
}

static size_t part_of(size_t left)
{
    return left < NOTE_PART ? left : NOTE_PART;
}

void note_read(const struct engine *e, const struct session *s, struct note *out)
{
    uint8_t *to = (uint8_t *)out;
    size_t left = offsetof(struct note, text);

    memset(out, 0, left);
    for (uint32_t index = s->note; index != POOL_NONE && left > 0;) {
        const struct note_block *b = pool_at(&e->notes, index);
        if (index == s->note) { /* the first block says how much there is */
            memcpy(to, b->part, left);
            left = note_size(out);
        }
        size_t n = part_of(left);
        memcpy(to, b->part, n);
        to += n;
        left -= n;
        index = b->next;
    }
}

void note_forget(struct engine *e, struct session *s)
{
    while (s->note != POOL_NONE) {
        uint32_t index = s->note;
        s->note = ((const struct note_block *)pool_at(&e->notes, index))->next;
        pool_give(&e->notes, index);
    }
}

static void note_write(struct engine *e, struct session *s, const struct note *note)
{
    const uint8_t *from = (const uint8_t *)note;
    size_t left = note_size(note);
    uint32_t *link = &s->note;

    note_forget(e, s);
    while (left > 0) {
        size_t n = part_of(left);
        uint32_t index = pool_take(&e->notes);
        if (index == POOL_NONE) { /* there are enough for all: cannot happen, and would only cost a name in an event */
            note_forget(e, s);
            return;
        }
        struct note_block *b = pool_at(&e->notes, index);
        b->next = POOL_NONE;
        memcpy(b->part, from, n);
        *link = index;
        link = &b->next;
        from += n;
        left -= n;
    }
}

void note_helo(struct engine *e, struct session *s, struct bytes name)
{
    struct note old, n;

    note_read(e, s, &old);
    memcpy(&n, &old, offsetof(struct note, text));
    n.has_helo = true;
    n.helo_cut = name.len > NOTE_HELO_MAX;
    keep_first(&name, NOTE_HELO_MAX);
    n.helo_len = (uint8_t)name.len;
    if (name.len > 0)
        memcpy(n.text, name.at, name.len);
    memcpy(n.text + n.helo_len, old.text + old.helo_len, old.mail_len);
    note_write(e, s, &n);
}

void note_mail(struct engine *e, struct session *s, struct bytes path)
{
    struct note n;

    note_read(e, s, &n);
    n.has_mail = true;
    n.mail_cut = path.len > NOTE_MAIL_MAX;
    keep_first(&path, NOTE_MAIL_MAX);
    n.mail_len = (uint16_t)path.len;
    if (path.len > 0)
        memcpy(n.text + n.helo_len, path.at, path.len);
    note_write(e, s, &n);
}
