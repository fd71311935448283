/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/explain.h"

#include "rules/ruleset_plan.h"

#include <inttypes.h>

void explain_network(const struct network *n, FILE *out)
{
    char text[NETWORK_TEXT];

    ruleset_network_text(n, text);
    fprintf(out, " %s", text);
}

/* Names on one line as many as people read. */
#define NETWORKS_SHOWN 8

void explain_clients(const struct policy *p, uint8_t tag, FILE *out)
{
    size_t shown = 0, all = 0;

    for (size_t i = 0; i < p->network_count; i++) {
        if (p->networks[i].tag != tag)
            continue;
        all++;
        if (shown < NETWORKS_SHOWN) {
            explain_network(&p->networks[i], out);
            shown++;
        }
    }
    if (all > shown)
        fprintf(out, " and %zu more", all - shown);
    if (tag == p->outside)
        fprintf(out, "%s everybody else", all > 0 ? " and" : "");
    else if (all == 0)
        fprintf(out, " none (only those that the firewall tags itself)");
    fputs("\n", out);
}

/* What an action does to the session. */
static const char *deed(enum action action, bool enforce)
{
    switch (action) {
    case ACTION_UNSET:
    case ACTION_ACCEPT:
        return "nothing is said and everything passes";
    case ACTION_ALERT:
        return "an alert says so, and everything passes";
    case ACTION_REFUSE:
        return enforce ? "the command reaches the server disarmed, the server refuses it, and the session goes on"
                       : "an alert says that the command would be refused, and everything passes";
    case ACTION_RESET:
        return enforce ? "both ends get a RST, and an alert says so"
                       : "an alert says that both ends would get a RST, and everything passes";
    case ACTION_DROP:
        return enforce ? "nothing more passes, without a word to either end, and an alert says so"
                       : "an alert says that nothing more would pass, and everything passes";
    case ACTION_BAN:
        return enforce ? "both ends get a RST, an alert says so, and the firewall refuses the client's next connections"
                       : "an alert says that the client would be reset and banned, and everything passes";
    }
    return "";
}

static const struct {
    enum reason reason;
    const char *when;
} cases[] = {
    {REASON_EXTERNAL_RCPT, "a recipient is in a domain that isn't ours"},
    {REASON_DNSBL, "a blocklist has the client, or weighs enough with others (dnsbl)"},
    {REASON_SMUGGLING, "a message may end where some servers don't see an end, and commands follow (smuggling)"},
    {REASON_EVASION, "the same bytes come twice with different content, or with other tricks of TCP (evasion)"},
    {REASON_DESYNC, "the server's replies don't fit the commands any more (desync)"},
    {REASON_INJECTION, "commands come behind STARTTLS before its reply (injection)"},
    {REASON_MALFORMED, "a line is too long, or a command that counts has NUL or bare CR in it (malformed)"},
    {REASON_LIMIT, "the session wants more than the limits allow (limit)"},
    {REASON_MIDSTREAM, "the session was under way when the daemon started (midstream)"},
    {REASON_STARTTLS, "the server agrees to TLS, behind which nothing can be seen (starttls)"},
};

static void explain_numbers(const struct config *c, const struct policy_tag *tag, FILE *out)
{
    if (tag->exempt_authenticated)
        fputs("A client that has logged in (AUTH) may name any recipient.\n", out);
    else
        fputs("A client that has logged in (AUTH) is judged like any other.\n", out);
    if (tag->rcpt_limit > 0)
        fprintf(out, "More than %" PRIu32 " recipients in one session break the limit.\n", tag->rcpt_limit);
    if (tag->ban_after > 0)
        fprintf(out,
                "After %" PRIu32 " such sessions of one source that were ended, the firewall refuses new connections "
                "of it for %" PRIu32 " s%s.\n",
                tag->ban_after, tag->ban_for_s, c->policy->enforce ? "" : " (not while mode = monitor)");
}

bool explain_tag(const struct config *c, const char *name, FILE *out)
{
    const struct policy *p = c->policy;
    uint8_t value = 0;

    for (uint8_t v = 1; v <= TAGS_MAX; v++)
        if (p->tags[v].name[0] != '\0' && strcmp(p->tags[v].name, name) == 0)
            value = v;
    if (value == 0)
        return false;
    const struct policy_tag *tag = &p->tags[value];
    fprintf(out, "A session with the tag %s (connection mark 0x%08" PRIx32 ").\n", name,
            marks_with_tag(&c->marks, 0, value));
    fputs("Who has it:", out);
    explain_clients(p, value, out);
    fprintf(out, "Mode: %s.\n", p->enforce ? "enforce" : "monitor: nothing is ever changed or held up");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        fprintf(out, "If %s: %s.\n", cases[i].when, deed(tag->on[cases[i].reason], p->enforce));
    explain_numbers(c, tag, out);
    fprintf(out, "While the daemon is dead, slow, or its queue is full: %s.\n",
            c->on_failure == FAIL_OPEN ? "the session passes unguarded" : "nothing passes");
    return true;
}
