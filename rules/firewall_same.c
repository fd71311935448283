/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/firewall_findings.h"
#include "rules/ruleset.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fw_find(struct findings *f, const char *format, ...)
{
    char text[FINDING_TEXT];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->told[i], text) == 0)
            return;
    if (f->count == FINDINGS_MAX)
        return;
    memcpy(f->told[f->count++], text, sizeof(text));
    f->sink->warn(f->sink->ctx, text);
}

/* NULL: out of memory, told. */
static char *printed(struct findings *f, bool (*print)(const struct config *, FILE *))
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    bool good = memory != NULL && print(f->config, memory);

    good = memory != NULL && fclose(memory) == 0 && good;
    if (!good) {
        free(text);
        fw_find(f, "out of memory");
        return NULL;
    }
    return text;
}

static bool leads_to_us(const char *save)
{
    return save != NULL && strstr(save, " -j RCPTWALL-QUEUE") != NULL;
}

void firewall_same(struct findings *f, const struct firewall_text *text)
{
    char *nft = text->nft != NULL ? printed(f, ruleset_print_nft) : NULL;
    char *iptables = text->iptables != NULL || text->ip6tables != NULL ? printed(f, ruleset_print_iptables) : NULL;

    bool table = nft != NULL && firewall_same_nft(f, nft, text->nft);
    if (iptables != NULL && text->iptables != NULL)
        firewall_same_iptables(f, iptables, text->iptables, 4);
    if (iptables != NULL && text->ip6tables != NULL)
        firewall_same_iptables(f, iptables, text->ip6tables, 6);
    if (table && (leads_to_us(text->iptables) || leads_to_us(text->ip6tables)))
        fw_find(f, "both forms of the rules are loaded, so packets come to the queue twice: take one of them away");
    free(nft);
    free(iptables);
}
