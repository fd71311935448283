/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exchange's Internet Mail Connector Encapsulated Addressing (MS-OXCMAIL 2.1.3.2.1). */
#include "kmod-free/recipient_internal.h"

/*
 * "IMCEA" TYPE "-" ADDRESS, where "_" stands for "/" and "+HH" for the byte HH. Other
 * types than SMTP (EX, FAX, X400, NOTES, ...) name no mail domain.
 */
size_t imcea_unfold(struct bytes in, uint8_t *out, size_t room)
{
    static const char *const smtp[] = {"IMCEASMTP-", "IMCEARFC822-"};
    size_t prefix = 0;
    for (size_t i = 0; i < sizeof smtp / sizeof smtp[0]; i++)
        if (bytes_begin_nocase(in, bytes_str(smtp[i])))
            prefix = strlen(smtp[i]);
    if (prefix == 0)
        return 0;
    in = bytes_from(in, prefix);
    if (in.len == 0)
        return 0;
    if (room < 2 || in.len > room - 2) /* it never grows */
        return room + 1;
    size_t n = 0;
    out[n++] = '<';
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.at[i];
        if (c == '_') {
            c = '/';
        } else if (c == '+' && in.len - i > 2 && hex_value(in.at[i + 1]) >= 0 && hex_value(in.at[i + 2]) >= 0) {
            c = (uint8_t)((unsigned)hex_value(in.at[i + 1]) << 4 | (unsigned)hex_value(in.at[i + 2]));
            i += 2;
        }
        out[n++] = c;
    }
    out[n++] = '>';
    return n;
}
