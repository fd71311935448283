/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capsrc - captures as a source of frames: pcap and pcapng through libpcap, plain or
 * gzipped, from a file or from standard input. (Ordinary records of plain pcap files
 * don't need it: capplain.h.)
 *
 * Everything in a capture is hostile, its time stamps too: they are clamped so that
 * adding a timeout to one can't overflow. Whatever ends a capture early is one
 * message that names the file and how far it was read; what came before is good.
 */
#ifndef RCPTWALL_CAPSRC_H
#define RCPTWALL_CAPSRC_H

#include "kmod-free/frame.h"

struct capsrc;

enum capsrc_result {
    CAPSRC_IP = 1, /* out->frame is an IP packet */
    CAPSRC_OTHER,  /* a record without one: only out->wall, .captured and .on_wire are set */
    CAPSRC_END,
    CAPSRC_TROUBLE, /* capsrc_error says what; nothing more will come */
};

struct capsrc_record {
    struct frame frame; /* borrowed until the next call; csum and tag are left for the caller */
    struct wall wall;
    uint32_t captured, on_wire; /* bytes, link layer included */
    uint32_t mark;
    bool has_mark; /* the record says which mark the packet carried (NFLOG) */
};

#define CAPSRC_ERROR_MAX 1024

/*
 * path: "-" is standard input. Returns NULL when the file can't be used at all, and
 * says why in error: "FILE: reason".
 */
RW_CHECK struct capsrc *capsrc_open(const char *path, char error[static CAPSRC_ERROR_MAX]);
void capsrc_close(struct capsrc *);
RW_CHECK enum capsrc_result capsrc_next(struct capsrc *, struct capsrc_record *out);
/*
 * The IP packet of a record that comes later, where it is at hand: at most `lead` records after the next one. Goes on
 * from where the last call was. false: there is none, or it isn't one. Borrowed until the next call of capsrc_next.
 */
RW_CHECK bool capsrc_ahead(struct capsrc *, size_t lead, struct bytes *l3);
/* After CAPSRC_TROUBLE: "FILE: near byte N: reason". */
const char *capsrc_error(const struct capsrc *);
/* How much of the file was read, 0..1; negative where nobody knows (a pipe). */
double capsrc_progress(const struct capsrc *);

#endif
