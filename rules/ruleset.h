/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset - the firewall rules that belong to a configuration, complete and
 * commented. They decide who gets which tag, send tagged SMTP to the queue, and
 * act on the verdict bits. The daemon itself never edits the firewall.
 */
#ifndef RCPTWALL_RULESET_H
#define RCPTWALL_RULESET_H

#include "rules/config.h"

#include <stdio.h>

/* Each prints to out (whose errors the caller looks at). false: out of memory, nothing was printed. */

/* One table (and one for a bridge), loads and replaces itself atomically: rcptwall rules --nft | nft -f - */
RW_CHECK bool ruleset_print_nft(const struct config *, FILE *out);
/* A sh script of iptables-restore and ip6tables-restore input: rcptwall rules --iptables | sh */
RW_CHECK bool ruleset_print_iptables(const struct config *, FILE *out);

/* What takes them away again, whatever the configuration was; bridge: also a transparent gateway's table. */
void ruleset_remove_nft(bool bridge, FILE *out);
void ruleset_remove_iptables(FILE *out);

#endif
