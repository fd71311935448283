/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kmod-free/recipient_internal.h"
#include "kmod-free/tests/support.h"

static struct domain_set *ours;
static const struct ip_addr server = {.family = 4, .at = {192, 0, 2, 25}};

static int make_set(void **state)
{
    (void)state;
    ours = domain_set_new();
    return ours == NULL || domain_set_add(ours, "local.example") != NULL ||
           domain_set_add(ours, "mail.local.example") != NULL || domain_set_add(ours, ".wide.example") != NULL ||
           domain_set_add(ours, "b\303\274cher.example") != NULL || !domain_set_seal(ours);
}

static int free_set(void **state)
{
    (void)state;
    domain_set_free(ours);
    return 0;
}

static bool inside(struct bytes inner, struct bytes outer)
{
    return inner.len == 0 || (inner.at >= outer.at && (size_t)(inner.at - outer.at) <= outer.len - inner.len);
}

/* Reads a copy that ends at a page that can't be touched. The result's `shown` points into `arg` again. */
static void read_guarded(struct bytes arg, struct recipient *out)
{
    struct bytes copy = guard_copy(arg);
    recipient_read(ours, &server, copy, out);
    assert_true(inside(out->shown, copy));
    if (out->shown.len > 0)
        out->shown.at = arg.at + (out->shown.at - copy.at);
    for (size_t i = 0; i < out->domain_count; i++)
        assert_true(inside(out->domains[i], bytes_of(out->text, sizeof out->text)));
    guard_free(copy);
}

static void join_domains(const struct recipient *rcpt, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < rcpt->domain_count && n < room; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%.*s", i > 0 ? " " : "", (int)rcpt->domains[i].len,
                              (const char *)rcpt->domains[i].at);
    out[n < room ? n : room - 1] = '\0';
}

static void join_via(uint32_t via, char *out, size_t room)
{
    size_t n = 0;
    for (unsigned i = 0; i < VIA_COUNT && n < room; i++)
        if (via & 1u << i)
            n += (size_t)snprintf(out + n, room - n, "%s%s", n > 0 ? " " : "", via_name(1u << i));
    out[n < room ? n : room - 1] = '\0';
}

struct form {
    const char *arg;
    const char *domains; /* NULL: any */
    const char *via;     /* NULL: any */
};

static void expect(const struct form *forms, size_t count, bool external)
{
    for (size_t i = 0; i < count; i++) {
        struct recipient rcpt;
        char domains[RECIPIENT_TEXT + 16], via[160];
        read_guarded(bytes_str(forms[i].arg), &rcpt);
        join_domains(&rcpt, domains, sizeof domains);
        join_via(rcpt.via, via, sizeof via);
        if (rcpt.external != external || rcpt.malformed)
            fail_msg("%s: %s%s", forms[i].arg, rcpt.external ? "external" : "local",
                     rcpt.malformed ? ", malformed" : "");
        if (forms[i].domains != NULL && strcmp(domains, forms[i].domains) != 0)
            fail_msg("%s: domains \"%s\", not \"%s\"", forms[i].arg, domains, forms[i].domains);
        if (forms[i].via != NULL && strcmp(via, forms[i].via) != 0)
            fail_msg("%s: via \"%s\", not \"%s\"", forms[i].arg, via, forms[i].via);
    }
}

#define EXPECT(forms, external) expect(forms, sizeof(forms) / sizeof(forms)[0], external)

static void plain_addresses(void **state)
{
    (void)state;
    static const struct form out[] = {
        {"<user@ext.example>", "ext.example", ""},
        {"<USER@Ext.Example.>", "ext.example", ""},
        {" <user@ext.example>", "ext.example", ""},
        {"\t <user@ext.example> \t", "ext.example", ""},
        {"<user@sub.local.example>", "sub.local.example", ""},
        {"<user@xlocal.example>", "xlocal.example", ""},
        {"<user@local.example.ext.example>", "local.example.ext.example", ""},
        {"user@ext.example", "ext.example", ""},
        {"<user@ext.example> NOTIFY=NEVER", "ext.example", ""},
        {"<user@ext.example> ORCPT=rfc822;user@local.example", "ext.example", ""},
        {"<user@ext>", "ext", ""},
        {"<user@192.0.2.25>", "192.0.2.25", ""},
        {"<user+tag@ext.example>", "ext.example", ""},
        {"<us\xc3\xa9r@ext.example>", "ext.example", ""},
    };
    static const struct form in[] = {
        {"<user@local.example>", "local.example", ""},
        {"<USER@LOCAL.Example.>", "local.example", ""},
        {"  <user@local.example>", "local.example", ""},
        {"user@local.example", "local.example", ""},
        {"<user@local.example> NOTIFY=NEVER", "local.example", ""},
        {"<user@local.example> ORCPT=rfc822;user@ext.example", "local.example", ""},
        {"<user@a.b.wide.example>", "a.b.wide.example", ""},
        {"<user@localhost>", "localhost", ""},
        {"<user>", "", ""},
        {"<Postmaster>", "", ""},
        {"user", "", ""},
        {"<>", "", ""},
        {"", "", ""},
        {"   ", "", ""},
    };
    EXPECT(out, true);
    EXPECT(in, false);
}

/* The classic relay tests, with a foreign domain and with one of ours in the same places. */
static void relay_forms(void **state)
{
    (void)state;
    static const struct form out[] = {
        {"<user%ext.example@local.example>", "ext.example", "percent"},
        {"<user%ext.example@[192.0.2.25]>", "ext.example", "percent"},
        {"<user%ext.example>", "ext.example", "percent"},
        {"user%ext.example", "ext.example", "percent"},
        {"<user%ext.example%local.example@mail.local.example>", "ext.example", "percent"},
        {"<user%local.example%ext.example@local.example>", "ext.example", "percent"},
        {"<\"user@ext.example\">", "ext.example", NULL},
        {"<\"user%ext.example\">", "ext.example", NULL},
        {"<\"user@ext.example\"@local.example>", "ext.example", "quoted"},
        {"<\"user@ext.example\"@[192.0.2.25]>", "ext.example", "quoted"},
        {"<user@ext.example@local.example>", "ext.example", "multi-at"},
        {"<user@ext.example@[192.0.2.25]>", "ext.example", "multi-at"},
        {"<user\\@ext.example@local.example>", "ext.example", NULL},
        {"<@local.example:user@ext.example>", "ext.example", "source-route"},
        {"<@[192.0.2.25]:user@ext.example>", "ext.example", "source-route"},
        {"<@local.example,@mail.local.example:user@ext.example>", "ext.example", "source-route"},
        {"<ext.example!user>", "ext.example", "bang"},
        {"<ext.example!user@local.example>", "ext.example", "bang"},
        {"<ext.example!user@[192.0.2.25]>", "ext.example", "bang"},
        {"<local.example!ext.example!user>", "ext.example", "bang"},
        {"<@local.example:user%ext.example@mail.local.example>", "ext.example", "source-route percent"},
        {"<\"ext.example!user\"@local.example>", "ext.example", "bang quoted"},
        {"<@local.example:ext.example!user%local.example@local.example>", "ext.example", NULL},
        {"<user(c)@ext(c).example>", "ext.example", "comment"},
        {"(c)<user@ext.example>", "ext.example", "comment"},
        {"<user@local.example>,<evil@ext.example>", "ext.example", NULL},
        /* the first < is what counts for qmail, or what stands behind the first colon */
        {"(<user@ext.example>)<user@local.example>", "ext.example", NULL},
        {"user@local.example <evil@ext.example>", "ext.example", NULL},
        {"user@local.example ORCPT=<evil@ext.example>", "ext.example", NULL},
        {" X@local.example TO:evil@ext.example", "ext.example", NULL},
        {"><evil@ext.example>@", "ext.example", NULL},
        {"ext.example@(<evil@ext.example>", "ext.example", NULL},
        {" (<evil@ext.example>@", "ext.example", NULL},
        {"<user@local.example,evil@ext.example>", "ext.example", "list"},
        {"\"Some Body\" <user@ext.example>", "ext.example", ""},
        {"<<user@ext.example>>", "ext.example", ""},
        {"<user@ext.example", "ext.example", ""},
        {"(user@ext.example)", "ext.example", NULL}, /* nobody takes it */
        {"<user@[192.0.2.9]>", "[192.0.2.9]", "literal"},
        {"<user@[IPv6:2001:DB8::9]>", "[ipv6:2001:db8::9]", "literal"},
        {"<user@[127.0.0.2]>", "[127.0.0.2]", "literal"},
        {"<user@[192.0.2.025]>", "[192.0.2.025]", "literal"},
        {"<user%[192.0.2.9]@local.example>", "[192.0.2.9]", "percent literal"},
    };
    static const struct form in[] = {
        {"<user%local.example@local.example>", "local.example", "percent"},
        {"<user%local.example@[192.0.2.25]>", NULL, NULL},
        {"<user%local.example>", NULL, NULL},
        {"<user%mail.local.example%local.example@local.example>", NULL, "percent"},
        {"<\"user@local.example\">", NULL, NULL},
        {"<\"user%local.example\">", NULL, NULL},
        {"<\"user@local.example\"@local.example>", "local.example", "quoted"},
        {"<user@local.example@local.example>", "local.example", "multi-at"},
        {"<@local.example:user@local.example>", "local.example", "source-route"},
        {"<@ext.example:user@local.example>", "local.example", "source-route"},
        {"<@ext.example,@ext2.example:user@local.example>", "local.example", "source-route"},
        {"<local.example!user>", NULL, NULL},
        {"<local.example!user@local.example>", NULL, NULL},
        {"<local.example!mail.local.example!user>", NULL, NULL},
        {"<\"local.example!user\"@local.example>", NULL, NULL},
        {"<user(c)@local(c).example>", "local.example", "comment"},
        {"<user(@ext.example)@local.example>", "local.example", "comment"},
        {"<evil@ext.example,user@local.example>", NULL, NULL},
        {"<user@local.example> <evil@ext.example>", NULL, NULL},
        {"\"Some Body\" <user@local.example>", "local.example", ""},
        {"<<user@local.example>>", "local.example", ""},
        {"(user@local.example)", "local.example", NULL},
        {"<user@[192.0.2.25]>", "[192.0.2.25]", "literal"},
        {"<user@[127.0.0.1]>", "[127.0.0.1]", "literal"},
        {"<user@[ 127.0.0.1 ]>", NULL, NULL},
    };
    EXPECT(out, true);
    EXPECT(in, false);
}

/* What looks like a relay form and isn't one: VERP, SRS, BATV, tags, old separators, X.400. */
static void local_parts_that_hold_domains(void **state)
{
    (void)state;
    static const struct form in[] = {
        {"<list-owner+user=ext.example@local.example>", "local.example", ""},
        {"<user=ext.example@local.example>", "local.example", ""},
        {"<user+ext.example@local.example>", "local.example", ""},
        {"<SRS0=aaaa=bb=ext.example=user@local.example>", "local.example", ""},
        {"<SRS1=aaaa=ext.example==HHH=TT=ext2.example=user@local.example>", "local.example", ""},
        {"<prvs=1234abcdef=user@local.example>", "local.example", ""},
        {"<user=40ext.example@local.example>", "local.example", ""},
        {"<user#ext.example@local.example>", "local.example", ""},
        {"<user/ext.example@local.example>", "local.example", ""},
        {"<user--ext.example@local.example>", "local.example", ""},
        {"<ext.example^user@local.example>", "local.example", ""},
        {"<user:ext.example@local.example>", "local.example", NULL},
        {"</G=user/S=x/O=ext/@local.example>", "local.example", ""},
        {"<o'brien@local.example>", "local.example", ""},
        {"<\"john doe\"@local.example>", "local.example", ""},
        {"<\"a\\\"b\"@local.example>", "local.example", ""},
        {"<bounces+123-user=ext.example@local.example> NOTIFY=FAILURE ORCPT=rfc822;a+2Bb@ext.example", "local.example",
         ""},
    };
    EXPECT(in, false);
}

static void imcea(void **state)
{
    (void)state;
    static const struct form out[] = {
        {"<IMCEASMTP-user+40ext+2Eexample@local.example>", "ext.example", "imcea"},
        {"<IMCEASMTP-user+40ext.example@local.example>", "ext.example", "imcea"},
        {"<imceasmtp-user+40ext+2eexample@LOCAL.EXAMPLE>", "ext.example", "imcea"},
        {"<IMCEASMTP-user+40ext+2Eexample>", "ext.example", "imcea"},
        {"<\"IMCEASMTP-user+40ext+2Eexample\"@local.example>", "ext.example", "imcea"},
        {"<@ext2.example:IMCEASMTP-user+40ext+2Eexample@local.example>", "ext.example", NULL},
        {"<IMCEASMTP-user+25ext+2Eexample@local.example>", "ext.example", "percent imcea"},
        {"<IMCEASMTP-IMCEASMTP-user+2B40ext+2B2Eexample+40local+2Eexample@local.example>", "ext.example", "imcea"},
        {"<IMCEASMTP-user+40local+2Eexample@ext.example>", "ext.example", ""},
        {"<\"IMCEA user@ext.example\"@local.example>", "ext.example", NULL},
    };
    static const struct form in[] = {
        {"<IMCEASMTP-user+40local+2Eexample@local.example>", "local.example", "imcea"},
        {"<IMCEASMTP-user@local.example>", "local.example", "imcea"},
        {"<IMCEASMTP-@local.example>", "local.example", ""},
        {"<IMCEASMTP-user+4@local.example>", "local.example", "imcea"},
        {"<IMCEAEX-_O=EXT_CN=user@local.example>", "local.example", ""},
        {"<IMCEAFAX-user+40ext+2Eexample@local.example>", "local.example", ""},
        {"<IMCEAX400-user+40ext+2Eexample@local.example>", "local.example", ""},
        {"<IMCEASMTP-IMCEASMTP-user+2B40local+2B2Eexample+40local+2Eexample@local.example>", "local.example", "imcea"},
        {"<IMCEASMTPX-user+40ext+2Eexample@local.example>", "local.example", ""},
        {"<xIMCEASMTP-user+40ext+2Eexample@local.example>", "local.example", ""},
        {"<IMCEA@local.example>", "local.example", ""},
    };
    EXPECT(out, true);
    EXPECT(in, false);
}

/* Deeper than anybody nests is hostile. */
static void imcea_to_any_depth(void **state)
{
    (void)state;
    for (size_t depth = 1; depth < 400; depth += depth < 20 ? 1 : 50) {
        char arg[8192];
        size_t n = 1;
        struct recipient rcpt;
        arg[0] = '<';
        for (size_t i = 0; i < depth; i++, n += 10)
            memcpy(arg + n, "IMCEASMTP-", 10);
        n += (size_t)snprintf(arg + n, sizeof arg - n, "user@local.example>");
        read_guarded(bytes_of(arg, n), &rcpt);
        assert_int_equal(rcpt.external, depth > IMCEA_DEPTH);
        assert_int_equal(rcpt.domains_cut, depth > IMCEA_DEPTH);
        assert_int_equal(rcpt.via, VIA_IMCEA);
    }
}

static void idn(void **state)
{
    (void)state;
    static const struct form in[] = {
        {"<user@b\303\274cher.example>", "xn--bcher-kva.example", ""},
        {"<user@xn--bcher-kva.example>", "xn--bcher-kva.example", ""},
        {"<user@XN--Bcher-KVA.example.>", "xn--bcher-kva.example", ""},
        {"<user@B\303\234CHER.EXAMPLE>", "xn--bcher-kva.example", ""},
        {"<user\357\274\205ext.example@local.example>", "local.example", ""},
    };
    static const struct form out[] = {
        {"<user@\xc3\xa9xt.example>", "xn--xt-9ia.example", ""},
        {"<user%\xc3\xa9xt.example@local.example>", "xn--xt-9ia.example", "percent"},
        {"<user%xn--xt-9ia.example@b\303\274cher.example>", "xn--xt-9ia.example", "percent"},
        {"<user@local\343\200\202example>", NULL, ""},
        {"<user@\xef\xbd\x8cocal.example>", NULL, ""},
    };
    EXPECT(in, false);
    EXPECT(out, true);
}

static void encoded_words(void **state)
{
    (void)state;
    static const struct form out[] = {
        {"<=?utf-8?q?user=40ext.example?=>", "ext.example", "quoted"},
        {"=?x?Q?user=40ext.example?=", "ext.example", "quoted"},
        {"<=?utf-8?b?dXNlckBleHQuZXhhbXBsZQ==?=>", "ext.example", "quoted"},
        {"<\"=?utf-8?q?user=40ext.example?=\">", "ext.example", "quoted"},
    };
    static const struct form in[] = {
        {"<=?utf-8?q?user=40local.example?=>", NULL, NULL},
        {"<=?utf-8?q?user=40ext.example?=@local.example>", "local.example", NULL},
        {"<=?utf-8?x?user=40ext.example?=>", NULL, NULL},
        {"<=?utf-8?q?user=40ext.example>", NULL, NULL},
        {"<=?=>", NULL, NULL},
        {"<=?>", NULL, NULL},
    };
    EXPECT(out, true);
    EXPECT(in, false);
}

static void odd_beginnings(void **state)
{
    (void)state;
    static const struct form out[] = {
        {" CC:<user@ext.example>", "ext.example", NULL},    {"TO:<user@ext.example>", "ext.example", ""},
        {" TO :<user@ext.example>", "ext.example", ""},     {" \tTO \t: \t <user@ext.example>", "ext.example", ""},
        {" TO : user@ext.example", "ext.example", ""},      {"-TO:<user@ext.example>", "ext.example", NULL},
        {"X TO:<user@ext.example>", "ext.example", NULL},   {" (c) TO:<user@ext.example>", "ext.example", NULL},
        {"\xa0TO:<user@ext.example>", "ext.example", NULL}, {":<user@ext.example>", "ext.example", NULL},
    };
    static const struct form in[] = {
        {" CC:<user@local.example>", "local.example", NULL},
        {"TO:<user@local.example>", "local.example", ""},
        {" TO :<user@local.example>", "local.example", ""},
        {"X TO:<user@local.example>", "local.example", NULL},
        {"<user@local.example> RCPT TO:<user@ext.example>", NULL, NULL},
        {" <\"x TO:<evil@local.example\"@local.example>", NULL, NULL},
        {"<\"x:<evil@local.example>\"@local.example>", NULL, NULL},
        {"<\"TO:\"@local.example>", "local.example", ""},
    };
    EXPECT(out, true);
    EXPECT(in, false);
}

static void bytes_that_are_forbidden(void **state)
{
    (void)state;
    static const struct {
        const char *arg;
        size_t len;
        bool external;
    } odd[] = {
        {"<user@ext.example>\0", 19, true},
        {"<user@ext.example>\0junk", 23, true},
        {"<user@ext\0.example>", 19, true},
        {"<user@local.example>\0", 21, false},
        {"<user@local.example>\0RCPT TO:<user@ext.example>", 47, false},
        {"<user@ext.example>\r", 19, true},
        {"<user@local.example>\r", 21, false},
        {"\r<user@ext.example>", 19, true},
        {"<user@\next.example>", 19, true},
        {"\0", 1, false},
        {"\r\n\0", 3, false},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct recipient rcpt;
        read_guarded(bytes_of(odd[i].arg, odd[i].len), &rcpt);
        assert_true(rcpt.malformed);
        if (rcpt.external != odd[i].external)
            fail_msg("%zu: %s is %s", i, odd[i].arg, rcpt.external ? "external" : "local");
    }
}

static void shown_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *shown;
    } cases[] = {
        {"<a@b>", "a@b"},
        {"  <a@b>", "a@b"},
        {"<a@b> NOTIFY=NEVER", "a@b"},
        {"<a@b> <c@d>", "a@b"},
        {"<a(<b>)@c> <d@e>", "a(<b>)@c"},
        {"<a@b>  ", "a@b"},
        {"<A@B.>", "A@B."},
        {"a@b", "a@b"},
        {"a@b SIZE=1", "a@b"},
        {"<>", ""},
        {"", ""},
        {"<\"a b>\"@c> X", "\"a b>\"@c"},
        {"<user%ext.example@local.example>", "user%ext.example@local.example"},
        {"<@a,@b:c@d>", "@a,@b:c@d"},
        {"<a@b", "a@b"},
        {"<<a@b>>", "<a@b>"},
        {" TO :<a@b>", "a@b"},
        {" CC:<a@b>", "a@b"},
        {"\"Some Body\" <a@b> X=1", "a@b"},
        {"<a\\>@b>", "a\\>@b"},
        {"<\"a@b>", "\"a@b"},
        {"a@b ORCPT=rfc822;<c@d>", "a@b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct recipient rcpt;
        read_guarded(bytes_str(cases[i].arg), &rcpt);
        if (!bytes_equal(rcpt.shown, bytes_str(cases[i].shown)))
            fail_msg("%s: shown as \"%.*s\"", cases[i].arg, (int)rcpt.shown.len, (const char *)rcpt.shown.at);
    }
    assert_true(bytes_equal(reverse_path_shown(bytes_str(" <a@b> SIZE=3 BODY=8BITMIME")), bytes_str("a@b")));
    assert_true(bytes_equal(reverse_path_shown(bytes_str("<>")), bytes_str("")));
    assert_true(bytes_equal(reverse_path_shown(bytes_str("FROM:<a@b>")), bytes_str("a@b")));
    assert_true(bytes_equal(reverse_path_shown(bytes_str(" FROM : a@b X=1")), bytes_str("a@b")));
    assert_int_equal(reverse_path_shown(bytes_str("")).len, 0);
}

static void several_domains_are_listed_once(void **state)
{
    (void)state;
    struct recipient rcpt;
    char domains[256];
    read_guarded(bytes_str("<user%one.example@two.example@local.example>"), &rcpt);
    join_domains(&rcpt, domains, sizeof domains);
    assert_true(rcpt.external);
    assert_string_equal(domains, "two.example");
    read_guarded(bytes_str("<u@Ext.example%ext.EXAMPLE.@local.example>"), &rcpt);
    assert_true(rcpt.external);
    for (size_t i = 0; i < rcpt.domain_count; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(bytes_equal(rcpt.domains[i], rcpt.domains[j]));
    /* a name that no DNS can hold is external, but not to be listed */
    char arg[1200];
    size_t n = (size_t)snprintf(arg, sizeof arg, "<user@local.example.%0*d.ext.example>", 900, 0);
    read_guarded(bytes_of(arg, n), &rcpt);
    assert_true(rcpt.external && rcpt.domains_cut);
    assert_int_equal(rcpt.domain_count, 0);
}

/* Every prefix of every form: no byte beyond it is read, and the answer is always the same. */
static void truncation(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "<user%ext.example@local.example> NOTIFY=NEVER ORCPT=rfc822;a@b",
        "<@a.example,@b.example:\"q\\\"uo ted@c.example\"@[IPv6:2001:db8::1]>",
        "(com(m)\\)ent) \"Phrase\" <<user(x)@ext .example>>, <b@c>; d:e@f;",
        " TO \t: <IMCEASMTP-IMCEASMTP-user+2B40ext+40local+2Eexample@local.example>\r",
        "<ext.example!\"local.example!u\"%a@b\303\274cher.example.>\\",
        "<user@[127.0.0.1@ext.example]>\0<user@ext.example>",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t len = i == 5 ? 49 : strlen(forms[i]);
        for (size_t n = 0; n <= len; n++) {
            struct recipient a, b;
            memset(&a, 0x55, sizeof a);
            memset(&b, 0xaa, sizeof b);
            read_guarded(bytes_of(forms[i], n), &a);
            read_guarded(bytes_of(forms[i], n), &b);
            assert_int_equal(a.external, b.external);
            assert_int_equal(a.malformed, b.malformed);
            assert_int_equal(a.via, b.via);
            assert_int_equal(a.domain_count, b.domain_count);
            assert_true(bytes_equal(a.shown, b.shown));
            for (size_t k = 0; k < a.domain_count; k++)
                assert_true(bytes_equal(a.domains[k], b.domains[k]));
        }
    }
}

/* A RCPT may be read from anywhere in memory; what stands behind it must not matter. */
static void what_follows_does_not_matter(void **state)
{
    (void)state;
    static const char text[] = "<user@local.example>@ext.example> <evil@ext.example>";
    struct recipient rcpt;
    read_guarded(bytes_of(text, 20), &rcpt);
    assert_false(rcpt.external);
    assert_int_equal(rcpt.domain_count, 1);
}

static size_t steps_of(const char *unit, size_t len, const char *tail)
{
    char *arg = malloc(len + 64);
    size_t n = 1, unit_len = strlen(unit);
    struct recipient rcpt;
    assert_non_null(arg);
    arg[0] = '<';
    while (n + unit_len <= len) {
        memcpy(arg + n, unit, unit_len);
        n += unit_len;
    }
    memcpy(arg + n, tail, strlen(tail));
    n += strlen(tail);
    size_t steps = recipient_read_steps(ours, &server, bytes_of(arg, n), &rcpt);
    free(arg);
    return steps;
}

/* 64 KiB of anything cost less than five times what as many letters cost, and twice the length twice as much. */
static void work_is_linear(void **state)
{
    (void)state;
    static const char *const units[] = {
        "%",
        "!",
        "(",
        "\"",
        "@",
        "\\",
        ",",
        "<",
        ">",
        ":",
        ";",
        "[",
        ".",
        " ",
        "\t",
        ")",
        "]",
        "a@",
        "@a,",
        "@a:",
        "%a",
        "a!",
        "\"a\"@",
        "%localhost",
        "localhost!",
        "@localhost",
        "@localhost:",
        "@localhost,",
        "\\\"",
        "(\\)",
        "\"\\\"",
        "a b ",
        "%\xc3\xbc",
        "<a@b>,",
        "IMCEASMTP-",
        "\"@localhost\"",
        "%%localhost",
        "!%@",
        "=",
        " a=b",
        "a ",
        "\xff",
        "..",
        "\"\"@",
        "((",
        "%wide.example",
        "%a.wide.example",
        "x.",
        "@a.",
        "\\@localhost",
        "@[127.0.0.1]",
        "+2B",
        "=?",
        "=?x?q?",
        "=?x?q?=40?=",
        "=?x?b?QQ?=",
        "?",
        " NOTIFY=NEVER",
    };
    static const char *const tails[] = {"@local.example>", ">", "", "\"@local.example>", ")@local.example>"};
    enum { LONG = 65000 };
    size_t plain = steps_of("a", LONG, "@local.example>");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        for (size_t k = 0; k < sizeof tails / sizeof tails[0]; k++) {
            size_t whole = steps_of(units[i], LONG, tails[k]), half = steps_of(units[i], LONG / 2, tails[k]);
            if (whole > 4 * plain)
                fail_msg("\"%s\"%s: %zu steps, plain %zu", units[i], tails[k], whole, plain);
            if (whole > half * 5 / 2 + plain) /* what is refused early is cheap */
                fail_msg("\"%s\"%s: %zu steps for the whole, %zu for half", units[i], tails[k], whole, half);
        }
    }
}

static void longer_than_any_line_is_external(void **state)
{
    (void)state;
    struct recipient rcpt;
    size_t len = READING_MAX + 100;
    char *arg = malloc(len);
    assert_non_null(arg);
    memset(arg, 'a', len);
    recipient_read(ours, &server, bytes_of(arg, len), &rcpt);
    assert_true(rcpt.external && rcpt.domains_cut);
    memset(arg, ' ', len); /* but blanks don't count */
    memcpy(arg + 60000, "<user@local.example>", 20);
    recipient_read(ours, &server, bytes_of(arg, len), &rcpt);
    assert_false(rcpt.external);
    memcpy(arg + 60000, "<user@ext.example>  ", 20);
    recipient_read(ours, &server, bytes_of(arg, len), &rcpt);
    assert_true(rcpt.external && !rcpt.domains_cut);
    free(arg);
}

static void the_server_may_be_unknown(void **state)
{
    (void)state;
    struct recipient rcpt;
    struct ip_addr six = {.family = 6, .at = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x25}};
    recipient_read(ours, NULL, bytes_str("<user@[192.0.2.25]>"), &rcpt);
    assert_true(rcpt.external);
    recipient_read(ours, &six, bytes_str("<user@[IPv6:2001:db8::25]>"), &rcpt);
    assert_false(rcpt.external);
    recipient_read(ours, &six, bytes_str("<user@[192.0.2.25]>"), &rcpt);
    assert_true(rcpt.external);
}

/* Each family alone, so that none can hide behind another. */
static void each_reading_alone(void **state)
{
    (void)state;
    enum answer { REFUSED, HERE, OUTSIDE };
    static const struct {
        void (*read)(struct reading *r, struct bytes arg);
        const char *arg;
        enum answer want;
    } cases[] = {
        {read_postfix, "<user%ext.example@local.example>", OUTSIDE},
        {read_postfix, "<\"user@ext.example\"@local.example>", OUTSIDE},
        {read_postfix, "<user%local.example@local.example>", HERE},
        {read_postfix, "<user@local.example> <user@ext.example>", REFUSED},
        {read_postfix, "<a@ext.example,b@ext.example>", REFUSED},
        {read_sendmail, "<user@local.example>,<evil@ext.example>", OUTSIDE},
        {read_sendmail, "<@a.example,user@ext.example>", OUTSIDE},
        {read_sendmail, "<user@local example>", HERE},
        {read_sendmail, "<user\\@ext.example>", HERE},
        {read_sendmail, "<a@b.example@ext.example>", REFUSED},
        {read_exim, "\"Name\" <user@ext.example>", OUTSIDE},
        {read_exim, "<user%@local.example>", OUTSIDE},
        {read_exim, "<\"user@ext.example\"@local.example>", HERE},
        {read_exim, "<user@ext.example> junk", REFUSED},
        {read_courier, "<user@ext.example> anything", OUTSIDE},
        {read_courier, "<a\\@ext.example@local.example>", OUTSIDE},
        {read_courier, "<\"user%ext.example\"@local.example>", HERE},
        {read_courier, "user@ext.example", REFUSED},
        {read_python, "<user@ext.example", OUTSIDE},
        {read_python, "\"user@ext.example\"", OUTSIDE},
        {read_python, "<user%ext.example@local.example>", HERE},
        {read_python, "<user@ext.example> NOTIFY=NEVER", REFUSED},
        {read_opensmtpd, "<@a.example:user@ext.example>", OUTSIDE},
        {read_opensmtpd, "<user@\\ext.example>", OUTSIDE},
        {read_opensmtpd, "<user%ext.example@local.example>", HERE},
        {read_opensmtpd, "<\"user\"@ext.example>", REFUSED},
        {read_haraka, "user@ext.example junk", OUTSIDE},
        {read_haraka, "user@local.example junk", HERE},
        {read_haraka, "<user@ext.example>", REFUSED},
        {read_qpsmtpd, "<user@local.example>,<evil@ext.example>", OUTSIDE},
        {read_qpsmtpd, "<\"@ext.example:user\"@local.example>", OUTSIDE},
        {read_qpsmtpd, "<evil@ext.example,user@local.example>", HERE},
        {read_qpsmtpd, "<user @ext.example>x", REFUSED},
        {read_qmail, "(<user@ext.example>)<user@local.example>", OUTSIDE},
        {read_qmail, "user@local.example <evil@ext.example>", OUTSIDE},
        {read_qmail, "X@local.example TO:evil@ext.example more", OUTSIDE},
        {read_qmail, "<@local.example:user@ext.example", OUTSIDE},
        {read_qmail, "<\"user\\@\"ext.example>", OUTSIDE},
        {read_qmail, "<user%ext.example@local.example>", OUTSIDE},
        {read_qmail, "<user@local.example> <evil@ext.example>", HERE},
        {read_qmail, "<\"a>evil@ext.example\"@local.example>", HERE},
        {read_qmail, "<@ext.example:user@local.example>", HERE},
        {read_qmail, "<evil@ext example>", REFUSED},
        {read_fallback, "(user@ext.example)", OUTSIDE},
        {read_fallback, "(user@local.example)", HERE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct recipient rcpt = {0};
        struct reading *r = calloc(1, sizeof *r);
        assert_non_null(r);
        r->local = ours;
        r->out = &rcpt;
        struct bytes arg = guard_copy(bytes_str(cases[i].arg));
        cases[i].read(r, arg);
        guard_free(arg);
        enum answer is = rcpt.external ? OUTSIDE : r->accepted ? HERE : REFUSED;
        free(r);
        if (is != cases[i].want)
            fail_msg("%zu: %s: %d, not %d", i, cases[i].arg, (int)is, (int)cases[i].want);
    }
}

static void names_of_the_forms(void **state)
{
    (void)state;
    static const char *const names[] = {"source-route", "percent", "bang",    "multi-at", "quoted",
                                        "imcea",        "literal", "comment", "list"};
    for (unsigned i = 0; i < VIA_COUNT; i++)
        assert_string_equal(via_name(1u << i), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_addresses),
        cmocka_unit_test(relay_forms),
        cmocka_unit_test(local_parts_that_hold_domains),
        cmocka_unit_test(imcea),
        cmocka_unit_test(imcea_to_any_depth),
        cmocka_unit_test(idn),
        cmocka_unit_test(encoded_words),
        cmocka_unit_test(odd_beginnings),
        cmocka_unit_test(bytes_that_are_forbidden),
        cmocka_unit_test(shown_as_written),
        cmocka_unit_test(several_domains_are_listed_once),
        cmocka_unit_test(truncation),
        cmocka_unit_test(what_follows_does_not_matter),
        cmocka_unit_test(work_is_linear),
        cmocka_unit_test(longer_than_any_line_is_external),
        cmocka_unit_test(the_server_may_be_unknown),
        cmocka_unit_test(each_reading_alone),
        cmocka_unit_test(names_of_the_forms),
    };
    return cmocka_run_group_tests(tests, make_set, free_set);
}
