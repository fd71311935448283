/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link - find the IP packet inside a captured link-layer frame. Offline only:
 * the kernel's queue hands out IP packets.
 *
 * Understood (LINKTYPE_ values of the pcap file format): Ethernet (1) with any
 * number of 802.1Q / 802.1ad tags and PPPoE session (RFC 2516), raw IP (12, 14, 101,
 * 228, 229), null/loop (0, 108), PPP (9), PPPoE (51), Linux cooked v1 (113) and v2
 * (276), NFLOG (239) with its mark, its attributes in this machine's byte order (libpcap
 * turns them). No tunnels.
 */
#ifndef RCPTWALL_LINK_H
#define RCPTWALL_LINK_H

#include "kmod-free/bytes.h"

enum link_result {
    LINK_IP = 1,  /* out->l3 is set */
    LINK_OTHER,   /* a whole frame of some other protocol (ARP, LLDP, ...) */
    LINK_BROKEN,  /* too short for its own headers, or names an IP version that the packet hasn't */
    LINK_UNKNOWN, /* a link type that we can't read */
};

struct link_packet {
    struct bytes l3;
    uint32_t mark; /* NFLOG's NFULA_MARK */
    bool has_mark;
    bool maybe_cut; /* the record can't tell whether l3 is all (NFLOG's snaplen): the front end sets frame.cut */
};

RW_CHECK enum link_result link_strip(uint32_t linktype, struct bytes raw, struct link_packet *out);
/* true if link_strip knows this link type at all: lets a front end refuse a file at once. */
bool link_known(uint32_t linktype);

#endif
