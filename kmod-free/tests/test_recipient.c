/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which domains a RCPT names and by which form, whatever way it is written; the readings together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kmod-free/tests/support_recipient.h"

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

/* The classic relay tests, with a foreign domain and with one of support_ours in the same places. */
static const struct form relayed[] = {
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

static const struct form at_home[] = {
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

static void relay_forms(void **state)
{
    (void)state;
    EXPECT(relayed, true);
    EXPECT(at_home, false);
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
        cmocka_unit_test(shown_as_written),
        cmocka_unit_test(several_domains_are_listed_once),
        cmocka_unit_test(names_of_the_forms),
    };
    return cmocka_run_group_tests(tests, support_recipient_setup, support_recipient_teardown);
}
