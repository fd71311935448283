/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * To refuse a RCPT, its bytes on the way to the server are replaced by others, equally many,
 * that servers answer with 5xx. The session goes on, and neither end can tell that
 * somebody stands between them.
 *
 * The client doesn't know of it and may send the old bytes again, cut otherwise. So the
 * range is remembered, and laid over every later copy (V6), until the server is so far
 * behind it that sequence numbers could come round; the stream keeps the client's
 * own bytes for comparing (S1). That holds in any stance: what the server has begun
 * to read in one form must not change into another.
 *
 * Not refused, so that the caller resets instead: the fourth one of a session (Exim
 * hangs up then); a line that not every server reads as one command, is too short for
 * the replacement, or longer than every server takes (RFC 5321 4.5.3.1.4); and a
 * line of which bytes that would change were let through already.
 */
#include "kmod-free/engine_internal.h"

#define LINE_MOST 512
/* When sequence numbers are so far ahead that no copy of the range can be meant any more. */
#define FORGET    ((int32_t)1 << 29)

/* The first byte that the replacement changes. */
static uint32_t first_change(struct bytes line, uint32_t len)
{
    uint32_t i = 0;
    while (i < len && line.at[i] == rewrite_refused_byte(i, len))
        i++;
    return i;
}

bool refuse_command(struct engine *e, uint32_t flow, struct seq at, struct bytes line)
{
    struct session *s = &e->sessions[flow];
    const struct tcp_end *client = &s->tcp.of[ROLE_CLIENT];
    if (line.len < REWRITE_REFUSED_MIN + 2 || line.len > LINE_MOST || s->refused_count == REWRITE_PATCHES_MAX)
        return false;
    uint32_t len = (uint32_t)line.len - 2;
    if (seq_after(client->passed_high, seq_add(at, first_change(line, len))))
        return false;
    session_rare_make(e, flow)->refused[s->refused_count++] = (struct refusal){.at = at, .len = (uint16_t)len};
    e->count.refused++;
    return true;
}

/* The part of the refused command that lies in [at, at + keep). false: none. */
static bool patch_of(const struct refusal *r, struct seq at, uint32_t keep, struct rewrite_patch *out)
{
    struct seq from = seq_later(r->at, at), to = seq_earlier(seq_add(r->at, r->len), seq_add(at, keep));
    if (!seq_before(from, to))
        return false;
    *out = (struct rewrite_patch){
        .at = (uint32_t)seq_diff(from, at),
        .len = (uint32_t)seq_diff(to, from),
        .from = (uint16_t)seq_diff(from, r->at),
        .command = r->len,
    };
    return true;
}

void refuse_lay_over(struct engine *e, uint32_t flow, enum role from, struct verdict *v)
{
    const struct session *s = &e->sessions[flow];
    const struct packet *p = &e->packet;
    if (s->refused_count == 0 || from != ROLE_CLIENT || p->wire_len == 0 ||
        (v->kind != VERDICT_PASS && v->kind != VERDICT_CLIP))
        return;
    uint32_t keep = v->kind == VERDICT_CLIP ? v->keep : p->wire_len;
    struct session_rare *rare = session_rare_make(e, flow);
    for (uint8_t i = 0; i < s->refused_count; i++) {
        struct refusal *r = &rare->refused[i];
        if (r->len > 0 && seq_diff(s->tcp.of[ROLE_CLIENT].stream.acked, r->at) > FORGET)
            r->len = 0;
        if (r->len > 0 && patch_of(r, packet_data_seq(p), keep, &v->patch[v->patches]))
            v->patches++;
    }
    if (v->patches == 0)
        return;
    v->from = from;
    v->keep = keep;
    if (v->kind == VERDICT_PASS)
        v->kind = VERDICT_REWRITE;
    if (p->payload.len != p->wire_len) /* opaque by now: an old copy that nobody waits for */
        *v = (struct verdict){.kind = VERDICT_DROP};
}
