/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capplain - the records of a plain pcap file in this machine's byte order, by large reads: what most captures are.
 *
 * libpcap opens the file and says that it is one; half of what reading it costs is two calls of fread a record. This
 * reads whole, ordinary records only. At anything else (a length that can't be, the end of the file in the middle of
 * a record, a time that isn't one) it stops, and libpcap goes on from there: what is wrong with a file, it says.
 */
#ifndef RCPTWALL_REPLAY_CAPPLAIN_H
#define RCPTWALL_REPLAY_CAPPLAIN_H

#include "kmod-free/bytes.h"
#include "kmod-free/clock.h"

#include <sys/types.h>

struct capplain;

struct capplain_record {
    struct wall wall;
    struct bytes data; /* borrowed until the next call */
    uint32_t on_wire;
};

/* fd stays the caller's, and its offset as it is. NULL: not such a file (or out of memory). */
RW_CHECK struct capplain *capplain_new(int fd, uint32_t snaplen);
void capplain_free(struct capplain *);
/* false: no ordinary record follows. */
RW_CHECK bool capplain_next(struct capplain *, struct capplain_record *out);
/* The bytes of a record that comes later: the next one after that of the last call. false: not read yet. */
RW_CHECK bool capplain_ahead(struct capplain *, struct bytes *out);
/* How many records it is ahead. */
size_t capplain_lead(const struct capplain *);
/* Where the next record begins. */
off_t capplain_offset(const struct capplain *);

#endif
