// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/capplain.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER     (512u << 10)
#define RECORD_MAX (256u << 10) /* libpcap's own limit, but for kinds of links that can't be read here */

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snaplen, linktype;
};

struct record_header {
    uint32_t seconds, fraction, captured, on_wire;
};

_Static_assert(BUFFER >= sizeof(struct record_header) + RECORD_MAX, "a record finds room");

struct capplain {
    int fd;
    off_t offset; /* of buffer[0] in the file */
    size_t at, have;
    size_t ahead, lead; /* where capplain_ahead is; records from `at` to there */
    uint32_t most;  /* bytes a record */
    uint32_t parts; /* of a second, in a header's fraction */
    uint8_t buffer[BUFFER];
};

struct capplain *capplain_new(int fd, uint32_t snaplen)
{
    struct file_header head;
    struct capplain *c;

    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head || head.major != 2 || head.minor != 4 ||
        (head.magic != 0xa1b2c3d4 && head.magic != 0xa1b23c4d))
        return NULL;
    c = malloc(sizeof *c); /* the buffer needn't be cleared */
    if (!c)
        return NULL;
    c->fd = fd;
    c->offset = sizeof head;
    c->at = c->have = c->ahead = c->lead = 0;
    c->most = snaplen < RECORD_MAX ? snaplen : RECORD_MAX;
    c->parts = head.magic == 0xa1b2c3d4 ? 1000000 : NS_PER_S;
    return c;
}

void capplain_free(struct capplain *c)
{
    free(c);
}

static bool read_more(struct capplain *c, size_t need)
{
    size_t left = c->have - c->at;

    memmove(c->buffer, c->buffer + c->at, left);
    c->offset += (off_t)c->at;
    c->lead = 0; /* it is 0: not even the next record was there as a whole */
    c->at = 0;
    c->have = left;
    while (c->have < need) {
        ssize_t got = pread(c->fd, c->buffer + c->have, BUFFER - c->have, c->offset + (off_t)c->have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        c->have += (size_t)got;
    }
    return true;
}

/* At least `need` bytes from `at` on. */
static bool fill(struct capplain *c, size_t need)
{
    return c->have - c->at >= need || read_more(c, need);
}

bool capplain_next(struct capplain *c, struct capplain_record *out)
{
    struct record_header head;

    if (!fill(c, sizeof head))
        return false;
    memcpy(&head, c->buffer + c->at, sizeof head);
    if (head.seconds > INT32_MAX || head.fraction >= c->parts || head.captured > c->most ||
        !fill(c, sizeof head + head.captured))
        return false;
    out->wall.ns = (int64_t)head.seconds * NS_PER_S + (int64_t)head.fraction * (NS_PER_S / c->parts);
    out->data = bytes_of(c->buffer + c->at + sizeof head, head.captured);
    out->on_wire = head.on_wire;
    c->at += sizeof head + head.captured;
    c->lead -= c->lead > 0;
    return true;
}

bool capplain_ahead(struct capplain *c, struct bytes *out)
{
    struct record_header head;
    size_t at = c->lead > 0 ? c->ahead : c->at;

    if (c->have - at < sizeof head)
        return false;
    memcpy(&head, c->buffer + at, sizeof head);
    if (head.captured > c->most || c->have - at < sizeof head + head.captured)
        return false;
    *out = bytes_of(c->buffer + at + sizeof head, head.captured);
    c->ahead = at + sizeof head + head.captured;
    c->lead++;
    return true;
}

size_t capplain_lead(const struct capplain *c)
{
    return c->lead;
}

off_t capplain_offset(const struct capplain *c)
{
    return c->offset + (off_t)c->at;
}
