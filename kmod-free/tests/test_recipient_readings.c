/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each family of servers reads alone, so that none can hide behind another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kmod-free/tests/support_recipient.h"

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
        r->local = support_ours;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reading_alone),
    };
    return cmocka_run_group_tests(tests, support_recipient_setup, support_recipient_teardown);
}
