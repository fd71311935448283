/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame - what a front end hands to the engine: one IP packet, and what the
 * front end knows about it that the bytes don't say.
 */
#ifndef RCPTWALL_FRAME_H
#define RCPTWALL_FRAME_H

#include "kmod-free/bytes.h"
#include "kmod-free/clock.h"

/*
 * How far the TCP checksum can be believed (invariant S5). A front end that
 * forgets to say leaves CSUM_UNSET, and the frame is dropped.
 */
enum csum_state {
    CSUM_UNSET,
    CSUM_VERIFY,  /* complete on the wire: a bad one is dropped */
    CSUM_TRUSTED, /* not filled in yet (NFQA_SKB_CSUMNOTREADY): don't look */
    CSUM_CAPTURE, /* offline: not looked at. Hosts with checksum offload capture their own packets unfinished, and
                     edited captures are common; a twin with a bad checksum shows as a conflict with the real one */
};

struct frame {
    struct bytes l3;      /* starts at the IP header; may have padding behind tot_len */
    struct mono at;       /* when it came: what timeouts go by (clock.h) */
    struct wall wall;     /* the same, for events */
    enum csum_state csum;
    uint8_t tag;          /* 1..15 read out of the packet mark by the front end; 0 = none */
    uint32_t way;         /* which of several connections that look the same from here (engine_way.c); 0 = not known */
    uint32_t in, out;     /* numbers of the interfaces that it came in by and will leave by; 0 = not known */
    bool cut;             /* the capture kept fewer bytes than the wire had (snaplen) */
};

#endif
