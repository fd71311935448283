/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewall - holds the rules that are in force against a configuration. They are not compared as text: packets that
 * the configuration is about are walked through them, as the kernel would, and what becomes of those is compared with
 * what should. So it doesn't matter who wrote the rules, or in which form.
 *
 * What a rule can't be asked (an interface, another tool's match) may match or not. Such a rule is walked past, and
 * named where it stands in the way of the queue.
 */
#ifndef RCPTWALL_FIREWALL_H
#define RCPTWALL_FIREWALL_H

#include "rules/config.h"

/* The rules as text; NULL: not known. */
struct firewall_text {
    char *nft;       /* nft -j list ruleset */
    char *iptables;  /* iptables-save */
    char *ip6tables; /* ip6tables-save */
    char *queues;    /* /proc/net/netfilter/nfnetlink_queue: who listens; "": nobody */
    /* It is known that a bridge's packets don't come by the rules for IP (net.bridge.bridge-nf-call-iptables,
     * -ip6tables). */
    bool bridge_hides4, bridge_hides6;
};

/* Called for each finding, a sentence without full stop; each sentence once. */
struct firewall_sink {
    void (*warn)(void *ctx, const char *text);
    void *ctx;
};

void firewall_check(const struct config *, const struct firewall_text *, const struct firewall_sink *);

/* Asks the running system. What can't be asked stays NULL, and `unable` is told why ("nft: not installed"). */
void firewall_ask(struct firewall_text *, const struct firewall_sink *unable);
/* One of them from a file. NULL: *why says why. */
RW_CHECK char *firewall_load(const char *path, const char **why);
void firewall_text_free(struct firewall_text *);

#endif
