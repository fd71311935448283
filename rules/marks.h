/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marks - which bits of the packet mark and connection mark are ours. The one
 * definition: C, nftables and iptables forms all come from here.
 *
 * mark-mask is seven adjacent bits. From the lowest: four of tag, then pass,
 * condemned, ban. Default 0x07f00000: tag 0x00f00000, pass 0x01000000, condemned
 * 0x02000000, ban 0x04000000. pass: the client has said QUIT, and no byte
 * more of it goes through, so little of the rest needs to be looked at. All other bits belong to others and never change (V3).
 */
#ifndef RCPTWALL_MARKS_H
#define RCPTWALL_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#define MARK_MASK_DEFAULT UINT32_C(0x07f00000)

struct marks {
    uint32_t mask;
    uint32_t tag; /* mask of the four tag bits */
    unsigned tag_shift;
    uint32_t pass, condemned, ban;
};

/* false: mask isn't seven adjacent bits. */
__attribute__((warn_unused_result)) bool marks_of_mask(uint32_t mask, struct marks *out);

static inline uint8_t marks_tag(const struct marks *m, uint32_t mark)
{
    return (uint8_t)((mark & m->tag) >> m->tag_shift);
}

static inline uint32_t marks_with_tag(const struct marks *m, uint32_t mark, uint8_t tag)
{
    return (mark & ~m->tag) | ((uint32_t)tag << m->tag_shift & m->tag);
}

#endif
