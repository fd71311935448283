/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/probe_forms.h"

#include <assert.h>
#include <stdio.h>
#include <strings.h>

/*
 * In the templates: %u %d user and domain of the recipient, %f the sender, %v the sender's user, %l a local domain,
 * %i the server's address literal, %% a percent sign.
 */
static const struct {
    const char *name, *mail, *rcpt;
    bool ends_local;
} forms[] = {
    {"plain", "<%f>", "<%u@%d>", false},
    {"null-sender", "<>", "<%u@%d>", false},
    {"sender-local", "<%v@%l>", "<%u@%d>", false},
    {"sender-literal", "<%v@%i>", "<%u@%d>", false},
    {"sender-localhost", "<%v@localhost>", "<%u@%d>", false},
    {"sender-no-domain", "<%v>", "<%u@%d>", false},
    {"sender-target", "<%v@%d>", "<%u@%d>", false},
    {"no-brackets", "%f", "%u@%d", false},
    {"trailing-dot", "<%f>", "<%u@%d.>", false},
    {"percent", "<%f>", "<%u%%%d@%l>", true},
    {"percent-literal", "<%f>", "<%u%%%d@%i>", true},
    {"percent-bare", "<%f>", "<%u%%%d>", true},
    {"percent-twice", "<%f>", "<%u%%%d%%%l@%l>", true},
    {"bang", "<%f>", "<%d!%u>", true},
    {"bang-local", "<%f>", "<%d!%u@%l>", true},
    {"bang-literal", "<%f>", "<%d!%u@%i>", true},
    {"bang-through", "<%f>", "<%l!%d!%u>", true},
    {"source-route", "<%f>", "<@%l:%u@%d>", false},
    {"source-route-literal", "<%f>", "<@%i:%u@%d>", false},
    {"two-at", "<%f>", "<%u@%d@%l>", true},
    {"two-at-literal", "<%f>", "<%u@%d@%i>", true},
    {"quoted", "<%f>", "<\"%u@%d\">", true},
    {"quoted-local", "<%f>", "<\"%u@%d\"@%l>", true},
    {"quoted-literal", "<%f>", "<\"%u@%d\"@%i>", true},
    {"quoted-percent", "<%f>", "<\"%u%%%d\">", true},
    {"nested", "<%f>", "<@%l:\"%u%%%d\"@%l>", true},
    {"comment", "<%f>", "<%u(x)@%d>", false},
    {"imcea", "<%f>", "<IMCEASMTP-%u+40%d@%l>", true},
    {"imcea-quoted", "<%f>", "<\"IMCEASMTP-%u+40%d\"@%l>", true},
};
#define FORMS (sizeof forms / sizeof *forms)

static bool plain_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

bool probe_domain_valid(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len >= PROBE_DOMAIN_MAX || text[0] == '.' || text[len - 1] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!plain_char(text[i]))
            return false;
    return true;
}

bool probe_domain_own(const char *domain, const char *own)
{
    size_t len = strlen(domain), own_len = strlen(own);

    if (own_len < len || (own_len > len && own[own_len - len - 1] != '.'))
        return false;
    return strcasecmp(domain, own + own_len - len) == 0;
}

bool probe_address_parse(const char *text, struct probe_address *out)
{
    const char *at = strchr(text, '@');
    size_t user = at != NULL ? (size_t)(at - text) : 0;

    if (user == 0 || user >= sizeof out->user || !probe_domain_valid(at + 1))
        return false;
    for (size_t i = 0; i < user; i++)
        if (!plain_char(text[i]) && text[i] != '_' && text[i] != '+')
            return false;
    memcpy(out->user, text, user);
    out->user[user] = '\0';
    snprintf(out->domain, sizeof out->domain, "%s", at + 1);
    return true;
}

size_t probe_form_count(void)
{
    return FORMS;
}

const char *probe_form_name(size_t form)
{
    assert(form < FORMS);
    return forms[form].name;
}

bool probe_form_ends_local(size_t form)
{
    assert(form < FORMS);
    return forms[form].ends_local;
}

static void put(char *out, size_t *len, const char *text)
{
    size_t n = strlen(text);

    assert(*len + n < PROBE_PATH_MAX); /* a few parts of PROBE_ADDRESS_MAX at most */
    memcpy(out + *len, text, n + 1);
    *len += n;
}

static void write_template(const char *t, const struct probe_subject *s, char out[static PROBE_PATH_MAX])
{
    size_t len = 0;

    out[0] = '\0';
    for (; *t != '\0'; t++) {
        char one[2] = {*t, '\0'};
        if (*t != '%') {
            put(out, &len, one);
            continue;
        }
        switch (*++t) { /* our own templates */
        case 'u':
            put(out, &len, s->to.user);
            break;
        case 'd':
            put(out, &len, s->to.domain);
            break;
        case 'f':
            put(out, &len, s->from.user);
            put(out, &len, "@");
            put(out, &len, s->from.domain);
            break;
        case 'v':
            put(out, &len, s->from.user);
            break;
        case 'l':
            put(out, &len, s->local);
            break;
        case 'i':
            put(out, &len, s->literal);
            break;
        default:
            put(out, &len, "%");
            break;
        }
    }
}

void probe_form_write(size_t form, const struct probe_subject *s, char mail[static PROBE_PATH_MAX],
                      char rcpt[static PROBE_PATH_MAX])
{
    assert(form < FORMS);
    write_template(forms[form].mail, s, mail);
    write_template(forms[form].rcpt, s, rcpt);
}

const char *probe_verdict_name(enum probe_verdict v)
{
    static const char *const names[] = {
        [PROBE_CLOSED] = "closed",   [PROBE_RELAYS] = "RELAYS", [PROBE_UNPROVEN] = "may relay",
        [PROBE_LATER] = "put off",   [PROBE_TROUBLE] = "trouble"};

    return names[v];
}

/* 454 is what Postfix says for "Relay access denied" as it comes; every other 4xx may become a 250 by waiting. */
static bool put_off(uint16_t code)
{
    return code >= 400 && code < 500 && code != 454;
}

enum probe_verdict probe_judge(size_t form, const struct probe_outcome *o, bool any_mailbox)
{
    if (!o->connected)
        return PROBE_TROUBLE;
    if (o->rcpt >= 200 && o->rcpt < 300)
        return probe_form_ends_local(form) && any_mailbox ? PROBE_UNPROVEN : PROBE_RELAYS;
    if (put_off(o->rcpt) || put_off(o->mail) || o->wants_tls)
        return PROBE_LATER;
    if (o->rcpt >= 400 || o->mail >= 400 || o->cut)
        return PROBE_CLOSED;
    return PROBE_TROUBLE;
}
