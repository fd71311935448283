/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl/answer.h"

/* The newer functions for the same are not in the c-ares of Debian 12. */
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <arpa/inet.h>
#include <limits.h>

#define ADDRESSES_MAX 64
#define HEAD_BYTES    12 /* RFC 1035 4.1.1 */
#define TYPE_SOA      6

enum rcode { RCODE_OK = 0, RCODE_NAME_ERROR = 3 };

struct head {
    uint16_t id, flags, questions, answers, authorities, additional;
};

static bool take_head(struct bytes *b, struct head *h)
{
    return take_be16(b, &h->id) && take_be16(b, &h->flags) && take_be16(b, &h->questions) &&
           take_be16(b, &h->answers) && take_be16(b, &h->authorities) && take_be16(b, &h->additional);
}

/* Over a name, whatever it is: labels up to the root or to a pointer (RFC 1035 4.1.4), which is not followed. */
static bool skip_name(struct bytes *b)
{
    uint8_t len;

    while (take_u8(b, &len)) {
        if (len == 0)
            return true;
        if (len >> 6 == 3)
            return take_skip(b, 1);
        if (len >> 6 != 0 || !take_skip(b, len))
            return false;
    }
    return false;
}

static bool skip_questions(struct bytes *b, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++)
        if (!skip_name(b) || !take_skip(b, 4))
            return false;
    return true;
}

/* One record: its type, TTL and data. */
static bool take_record(struct bytes *b, uint16_t *type, uint32_t *ttl, struct bytes *data)
{
    uint16_t class, len;

    return skip_name(b) && take_be16(b, type) && take_be16(b, &class) && take_be32(b, ttl) && take_be16(b, &len) &&
           take_raw(b, len, data);
}

/* MNAME RNAME SERIAL REFRESH RETRY EXPIRE MINIMUM (RFC 1035 3.3.13). */
static bool take_minimum(struct bytes *data, uint32_t *minimum)
{
    for (int names = 0; names < 2; names++)
        if (!skip_name(data))
            return false;
    return take_skip(data, 16) && take_be32(data, minimum);
}

/* How long a negative answer holds (RFC 2308 5): the lesser of the SOA's TTL and its MINIMUM. 0: it doesn't say. */
static uint32_t negative_ttl(struct bytes message)
{
    struct head h;
    struct bytes data;
    uint16_t type;
    uint32_t ttl, minimum;

    if (!take_head(&message, &h) || !skip_questions(&message, h.questions))
        return 0;
    for (unsigned i = 0; i < (unsigned)h.answers + h.authorities; i++) {
        if (!take_record(&message, &type, &ttl, &data))
            return 0;
        if (i < h.answers || type != TYPE_SOA)
            continue;
        if (!take_minimum(&data, &minimum))
            return 0;
        return ttl < minimum ? ttl : minimum;
    }
    return 0;
}

static enum dnsbl_finding read_addresses(const struct dnsbl_zone *z, struct bytes message, struct dnsbl_answer *out)
{
    struct ares_addrttl found[ADDRESSES_MAX];
    uint32_t addresses[ADDRESSES_MAX], ttl = UINT32_MAX;
    int count = ADDRESSES_MAX;

    if (message.len > INT_MAX)
        return DNSBL_GARBAGE;
    int status = ares_parse_a_reply(message.at, (int)message.len, NULL, found, &count);
    if (status == ARES_ENODATA)
        return DNSBL_NOT_LISTED;
    if (status != ARES_SUCCESS || count < 0 || count > ADDRESSES_MAX)
        return DNSBL_GARBAGE;
    for (int i = 0; i < count; i++) {
        addresses[i] = ntohl(found[i].ipaddr.s_addr);
        uint32_t own = found[i].ttl > 0 ? (uint32_t)found[i].ttl : 0;
        ttl = own < ttl ? own : ttl;
    }
    out->ttl = count > 0 ? ttl : 0;
    return dnsbl_judge(z, addresses, (size_t)count, &out->code);
}

void dnsbl_answer_read(const struct dnsbl_zone *z, struct bytes message, struct dnsbl_answer *out)
{
    struct bytes rest = message;
    struct head h;

    *out = (struct dnsbl_answer){.finding = DNSBL_NO_ANSWER};
    if (message.len == 0)
        return;
    if (!take_head(&rest, &h) || h.flags >> 11 != 0x10) { /* a reply to a standard query */
        out->finding = DNSBL_GARBAGE;
        return;
    }
    if ((h.flags & 0x0200) != 0) /* still truncated: not even TCP brought all of it */
        return;
    switch (h.flags & 15) { /* the wire's numbers, not an enum of ours */
    case RCODE_OK:
        out->finding = read_addresses(z, message, out);
        break;
    case RCODE_NAME_ERROR:
        out->finding = DNSBL_NOT_LISTED;
        break;
    default:
        return;
    }
    if (out->finding == DNSBL_NOT_LISTED && out->code == 0)
        out->ttl = negative_ttl(message);
}

size_t dnsbl_reason_read(struct bytes message, uint8_t out[static DNSBL_REASON_MAX])
{
    struct ares_txt_ext *first = NULL;
    size_t len = 0;

    if (message.len < HEAD_BYTES || message.len > INT_MAX ||
        ares_parse_txt_reply_ext(message.at, (int)message.len, &first) != ARES_SUCCESS)
        return 0;
    for (const struct ares_txt_ext *t = first; t != NULL && (t == first || !t->record_start); t = t->next) {
        size_t n = t->length < DNSBL_REASON_MAX - len ? t->length : DNSBL_REASON_MAX - len;
        if (n > 0)
            memcpy(out + len, t->txt, n);
        len += n;
    }
    ares_free_data(first);
    return len;
}
