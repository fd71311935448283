/* SPDX-License-Identifier: GPL-2.0-or-later */
/* support_link - an IP packet as the different link layers carry it in a capture. */
#ifndef RCPTWALL_TESTS_SUPPORT_LINK_H
#define RCPTWALL_TESTS_SUPPORT_LINK_H

#include "kmod-free/bytes.h"

struct support_link {
    const char *name; /* "ether", "vlan", "qinq", "pppoe", "raw", "null", "loop", "ppp", "sll", "sll2", "nflog" */
    uint32_t linktype;
    /* Writes the frame around l3, returns its length. mark: for nflog. */
    size_t (*wrap)(struct bytes l3, uint32_t mark, uint8_t *out, size_t room);
};

#define SUPPORT_LINK_ROOM 64 /* no header is longer */

/* NULL: there is no such name. */
const struct support_link *support_link_named(const char *name);
/* The i-th one; NULL behind the last. */
const struct support_link *support_link_at(size_t i);

/*
 * Cuts an IP packet (IPv4, or IPv6 without extension headers) into fragments whose data
 * are at most `most` bytes, a multiple of 8. Writes the i-th one and returns its length, 0 if there is none.
 */
size_t support_fragment(struct bytes l3, size_t most, uint32_t id, size_t i, uint8_t *out, size_t room);

#endif
