/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading of qmail: the first < anywhere begins the address, whatever stands in
 * front of it, and no > need end it; without one it begins behind the first colon and
 * ends at a blank. Quotes and backslashes are taken off, and then the last @ counts.
 * A percent is followed in front of a local domain (control/percenthack).
 */
#include "kmod-free/recipient_internal.h"

/* The address without its quoting, in r->work. */
static struct bytes unquote(struct reading *r, struct bytes in, uint8_t end)
{
    size_t used = 0;
    bool quoted = false;
    r->steps += in.len;
    for (size_t i = 0; i < in.len && (quoted || in.at[i] != end); i++) {
        if (in.at[i] == '"') {
            quoted = !quoted;
            continue;
        }
        if (in.at[i] == '\\' && ++i == in.len)
            break;
        r->work[used++] = control_as_del(in.at[i]);
    }
    return bytes_of(r->work, used);
}

static void deliver(struct reading *r, struct bytes address)
{
    size_t at = reading_last(r, address, '@');
    struct bytes user = bytes_first(address, at);
    if (at == address.len) {
        reading_local(r, (struct bytes){0}, user);
        return;
    }
    struct bytes domain = bytes_from(address, at + 1);
    while (reading_is_local(r, domain)) {
        size_t percent = reading_last(r, user, '%');
        if (percent == user.len) {
            reading_local(r, domain, user);
            return;
        }
        r->via |= VIA_PERCENT;
        domain = bytes_from(user, percent + 1);
        user = bytes_first(user, percent);
    }
    if (reading_plausible(domain))
        reading_external(r, domain);
}

static void read_address(struct reading *r, struct bytes in, uint8_t end)
{
    while (in.len > 0 && in.at[0] == ' ')
        in = bytes_from(in, 1);
    if (in.len > 0 && in.at[0] == '@') { /* a source route is passed over */
        size_t colon = reading_first(r, in, ':');
        r->via |= VIA_SOURCE_ROUTE;
        in = bytes_from(in, colon < in.len ? colon + 1 : in.len);
    }
    struct bytes address = unquote(r, in, end);
    if (address.len > 0)
        deliver(r, address);
}

void read_qmail(struct reading *r, struct bytes arg)
{
    size_t angle = reading_first(r, arg, '<'), colon = reading_first(r, arg, ':');
    if (angle < arg.len) {
        read_address(r, bytes_from(arg, angle + 1), '>');
        return;
    }
    read_address(r, arg, ' '); /* "TO:" stood in front of it, and was the first colon */
    if (colon < arg.len) {
        r->via = 0;
        read_address(r, bytes_from(arg, colon + 1), ' ');
    }
}
