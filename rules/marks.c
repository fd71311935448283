/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/marks.h"

bool marks_of_mask(uint32_t mask, struct marks *out)
{
    unsigned shift = 0;

    if (mask == 0)
        return false;
    while ((mask >> shift & 1) == 0)
        shift++;
    if (mask >> shift != 0x7f)
        return false;
    *out = (struct marks){
        .mask = mask,
        .tag = UINT32_C(0x0f) << shift,
        .tag_shift = shift,
        .pass = UINT32_C(0x10) << shift,
        .condemned = UINT32_C(0x20) << shift,
        .ban = UINT32_C(0x40) << shift,
    };
    return true;
}
