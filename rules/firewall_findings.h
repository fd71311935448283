/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewall_findings - what is said about the rules; between the firewall's own files. */
#ifndef RCPTWALL_FIREWALL_FINDINGS_H
#define RCPTWALL_FIREWALL_FINDINGS_H

#include "rules/firewall.h"

#define FINDING_TEXT 400
#define FINDINGS_MAX 64

struct findings {
    const struct config *config;
    const struct firewall_sink *sink;
    const char *queues; /* struct firewall_text's */
    char told[FINDINGS_MAX][FINDING_TEXT]; /* each sentence once, however many servers it is about */
    size_t count;
};

__attribute__((format(printf, 2, 3))) void fw_find(struct findings *, const char *format, ...);

/*
 * firewall_same*.c: are our own chains and tables, where there are any, what `rcptwall rules` prints for this
 * configuration? Whoever changed the one or the other: said.
 */
void firewall_same(struct findings *, const struct firewall_text *);
/* printed: what `rcptwall rules` prints in this form. false: there is no table of ours. */
bool firewall_same_nft(struct findings *, const char *printed, const char *json);
/* family: 4 or 6 */
void firewall_same_iptables(struct findings *, const char *printed, const char *save, uint8_t family);

#endif
