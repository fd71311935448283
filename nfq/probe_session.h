/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe_session - one short SMTP session: EHLO, MAIL, RCPT, RSET, QUIT. There is no way to send DATA in here. */
#ifndef RCPTWALL_PROBE_SESSION_H
#define RCPTWALL_PROBE_SESSION_H

#include "nfq/probe_forms.h"

#include <sys/socket.h>

#define PROBE_REPLY_MAX 256

struct probe_reply {
    uint16_t code; /* 0: none that is one */
    bool cut;      /* the connection ended instead */
    int error;     /* errno of that; ETIMEDOUT: silence; ETIME: a part of a reply; EPROTO: one that is too long; 0: it was closed */
    char text[PROBE_REPLY_MAX]; /* its last line, raw bytes, NUL-terminated, without CRLF */
    char first[PROBE_REPLY_MAX]; /* its first line */
};

struct probe_target {
    struct sockaddr_storage addr;
    socklen_t len;
    int timeout_s; /* for each step */
};

struct probe_session_result {
    struct probe_outcome outcome;
    struct probe_reply reply; /* the one that decided */
    char host[PROBE_DOMAIN_MAX]; /* as the server calls itself in its reply to EHLO; "" where that is no domain */
};

/* mail and rcpt: what stands behind FROM: and TO:; without CR, LF or NUL. */
void probe_session_run(const struct probe_target *, const char *mail, const char *rcpt,
                       struct probe_session_result *out);

#endif
