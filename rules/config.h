/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config - the configuration file (libconfuse), read once into a struct that every
 * subcommand shares. An unknown or contradictory key is an error that names file
 * and line; there is no partly used configuration.
 */
#ifndef RCPTWALL_CONFIG_H
#define RCPTWALL_CONFIG_H

#include "kmod-free/engine.h"
#include "nfq/dnsbl/zone.h"
#include "rules/marks.h"

#define CONFIG_PATH        "/etc/rcptwall/rcptwall.conf"
#define CONTROL_SOCKET_PATH "/run/rcptwall/control"
#define CONFIG_SERVERS_MAX 64

enum on_failure {
    FAIL_CLOSED = 1, /* a dead, slow or full daemon means no SMTP */
    FAIL_OPEN,       /* ... means unguarded SMTP: F_FAIL_OPEN and the rules' bypass together */
};

/* Where the rules look at packets; any of them together. */
enum hook {
    HOOK_FORWARD = 1, /* servers behind this gateway */
    HOOK_INPUT = 2,   /* servers on the gateway itself */
    HOOK_BRIDGE = 4,  /* servers behind a bridge (transparent gateway) */
};

struct config {
    struct policy *policy;       /* owned; taken out (set to NULL) by whoever makes an engine of it */
    struct engine_config engine; /* ports, limits, line length; stance follows policy->enforce in `run` */
    struct marks marks;
    enum on_failure on_failure;
    unsigned hooks; /* of enum hook */
    uint16_t queue_first, queue_last;
    uint32_t queue_maxlen;                      /* packets */
    struct network servers[CONFIG_SERVERS_MAX]; /* the protected servers; none = every address */
    size_t server_count;
    int syslog_facility, syslog_level; /* LOG_MAIL, LOG_WARNING */
    int64_t alert_interval_ns;         /* repeats from one source are gathered over this */
    bool log_rcpt;
    char *event_file; /* NULL: none */
    char *control_socket; /* NULL: CONTROL_SOCKET_PATH if that can be had */
    char *control_group;  /* whose members may ask, too; NULL: nobody else */
    char *user; /* to run as; NULL: stay */
    char *enforce_at;            /* where the file says mode = enforce, "FILE:LINE"; NULL: it doesn't */
    size_t own_address_count;    /* own-addresses: these alone make no local domain */
    struct dnsbl_config dnsbl;
};

/* Every default; a policy with the built-in tags, its domain set not sealed. false: out of memory. */
RW_CHECK bool config_defaults(struct config *);
/*
 * Makes the defaults and reads path over them (*config may be anything before, it isn't
 * freed). On error: false, and `error` holds "FILE:LINE: message" or "FILE: message";
 * the config is empty then (config_free is harmless). Not reentrant: libconfuse isn't.
 */
RW_CHECK bool config_read(struct config *, const char *path, char *error, size_t room);
/* The same from memory, which is written to; `path` is for messages and for finding files beside it. */
RW_CHECK bool config_read_text(struct config *, const char *path, char *text, size_t len, char *error, size_t room);
/*
 * Seals the domain set, checks what only shows in the whole: enforcing needs local domains, from the file or
 * added since. Call once after the last change. On error: as config_read, but *config stays to be freed.
 */
RW_CHECK bool config_seal(struct config *, char *error, size_t room);
void config_free(struct config *);
/*
 * For a reload. Some keys can't change in a running daemon: where fresh differs from
 * running, it gets running's value, and the key's name is added to `names`, separated by commas.
 */
void config_keep_fixed(struct config *fresh, const struct config *running, char *names, size_t room);

#endif
