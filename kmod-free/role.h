/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * role - who sent it: the SMTP client or the SMTP server (RFC 5321 section 2.3.3).
 * From `flow` on nothing speaks of source and destination any more.
 */
#ifndef RCPTWALL_ROLE_H
#define RCPTWALL_ROLE_H

enum role {
    ROLE_CLIENT = 0, /* array indices: struct thing of[ROLE_COUNT] */
    ROLE_SERVER = 1,
};
#define ROLE_COUNT 2

static inline enum role role_other(enum role r)
{
    return r == ROLE_CLIENT ? ROLE_SERVER : ROLE_CLIENT;
}

#endif
