/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "kmod-free/tests/support.h"
#include "nfq/dnsbl/answer.h"
#include "nfq/dnsbl/tests/dns_message.h"

#define NAME "2.0.0.127.bl.example"

static struct dnsbl_answer read_bytes(const uint8_t *at, size_t len)
{
    struct dnsbl_zone z;
    struct dnsbl_answer a;
    struct bytes guarded = guard_copy(bytes_of(at, len));
    dnsbl_zone_defaults(&z);
    dnsbl_answer_read(&z, guarded, &a);
    guard_free(guarded);
    return a;
}

static struct dnsbl_answer read_message(const struct dns_message *m)
{
    return read_bytes(m->at, m->len);
}

static void a_listing_is_read_with_its_ttl(void **state)
{
    (void)state;
    struct dns_message m = dns_reply(NAME, DNS_OK);
    dns_answer_a(&m, 900, 0x7f000002);
    dns_answer_a(&m, 300, 0x7f000004);
    struct dnsbl_answer a = read_message(&m);
    assert_int_equal(a.finding, DNSBL_LISTED);
    assert_int_equal(a.code, 0x7f000002);
    assert_int_equal(a.ttl, 300);
}

static void a_listing_behind_a_cname_is_read(void **state)
{
    (void)state;
    struct dns_message m = dns_reply(NAME, DNS_OK), target = {.len = 0};
    dns_put_name(&target, "other.example");
    dns_record(&m, 6, NULL, DNS_CNAME, 60, target.at, target.len);
    dns_record(&m, 6, "other.example", DNS_A, 900, "\x7f\0\0\x03", 4);
    struct dnsbl_answer a = read_message(&m);
    assert_int_equal(a.finding, DNSBL_LISTED);
    assert_int_equal(a.code, 0x7f000003);
}

static void no_such_name_is_not_listed_for_as_long_as_the_soa_says(void **state)
{
    (void)state;
    struct dns_message m = dns_reply(NAME, DNS_NXDOMAIN);
    assert_int_equal(read_message(&m).finding, DNSBL_NOT_LISTED);
    assert_int_equal(read_message(&m).ttl, 0);
    dns_authority_soa(&m, "bl.example", 3600, 150);
    assert_int_equal(read_message(&m).ttl, 150);
    m = dns_reply(NAME, DNS_NXDOMAIN);
    dns_authority_soa(&m, "bl.example", 70, 150);
    assert_int_equal(read_message(&m).ttl, 70);
    m = dns_reply(NAME, DNS_OK); /* a name without an address */
    dns_authority_soa(&m, "bl.example", 70, 150);
    assert_int_equal(read_message(&m).finding, DNSBL_NOT_LISTED);
    assert_int_equal(read_message(&m).ttl, 70);
}

static void trouble_is_no_listing(void **state)
{
    (void)state;
    static const unsigned codes[] = {1, DNS_SERVFAIL, 4, DNS_REFUSED, 9, 15};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct dns_message m = dns_reply(NAME, codes[i]);
        dns_answer_a(&m, 300, 0x7f000002); /* whatever else it says */
        assert_int_equal(read_message(&m).finding, DNSBL_NO_ANSWER);
    }
    assert_int_equal(read_bytes(NULL, 0).finding, DNSBL_NO_ANSWER);
}

static void a_truncated_answer_is_none(void **state)
{
    (void)state;
    struct dns_message m = dns_reply(NAME, DNS_OK);
    dns_answer_a(&m, 300, 0x7f000002);
    m.at[2] |= 2;
    assert_int_equal(read_message(&m).finding, DNSBL_NO_ANSWER);
}

static void a_question_is_no_answer(void **state)
{
    (void)state;
    struct dns_message m = dns_reply(NAME, DNS_OK);
    dns_answer_a(&m, 300, 0x7f000002);
    m.at[2] &= 0x7f;
    assert_int_equal(read_message(&m).finding, DNSBL_GARBAGE);
}

static void lies_and_error_codes_are_told_apart(void **state)
{
    (void)state;
    struct dns_message m = dns_reply(NAME, DNS_OK);
    dns_answer_a(&m, 300, 0xc0000201);
    assert_int_equal(read_message(&m).finding, DNSBL_OUTSIDE);
    m = dns_reply(NAME, DNS_OK);
    dns_answer_a(&m, 300, 0x7ffffffe);
    assert_int_equal(read_message(&m).finding, DNSBL_ERROR_CODE);
}

/* Every beginning of a good message: never a listing out of half a record, and nothing is read behind its end. */
static void cut_anywhere_it_is_never_a_listing(void **state)
{
    (void)state;
    struct dns_message m = dns_reply(NAME, DNS_OK);
    dns_answer_a(&m, 300, 0x7f000002);
    for (size_t len = 1; len < m.len; len++)
        assert_true(read_bytes(m.at, len).finding != DNSBL_LISTED);
    m = dns_reply(NAME, DNS_NXDOMAIN);
    dns_authority_soa(&m, "bl.example", 3600, 150);
    for (size_t len = 12; len < m.len; len++)
        assert_int_equal(read_bytes(m.at, len).ttl, 0);
}

static void the_reason_is_the_first_txt_record(void **state)
{
    (void)state;
    uint8_t out[DNSBL_REASON_MAX];
    struct dns_message m = dns_reply(NAME, DNS_OK);
    assert_int_equal(dnsbl_reason_read(bytes_of(m.at, m.len), out), 0);
    dns_record(&m, 6, NULL, DNS_TXT, 60, "\x05spam \x04""from", 11);
    dns_record(&m, 6, NULL, DNS_TXT, 60, "\x05other", 6);
    m.at[12 + strlen(NAME) + 2 + 1] = DNS_TXT; /* the question's type */
    assert_int_equal(dnsbl_reason_read(bytes_of(m.at, m.len), out), 9);
    assert_memory_equal(out, "spam from", 9);
}

static void a_long_reason_is_cut(void **state)
{
    (void)state;
    uint8_t *out = guard_room(DNSBL_REASON_MAX), text[4 * 256];
    struct dns_message m = dns_reply(NAME, DNS_OK);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 256 == 0 ? 255 : 'x';
    dns_record(&m, 6, NULL, DNS_TXT, 60, text, sizeof text);
    assert_int_equal(dnsbl_reason_read(bytes_of(m.at, m.len), out), DNSBL_REASON_MAX);
    guard_room_free(out, DNSBL_REASON_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_is_read_with_its_ttl),
        cmocka_unit_test(a_listing_behind_a_cname_is_read),
        cmocka_unit_test(no_such_name_is_not_listed_for_as_long_as_the_soa_says),
        cmocka_unit_test(trouble_is_no_listing),
        cmocka_unit_test(a_truncated_answer_is_none),
        cmocka_unit_test(a_question_is_no_answer),
        cmocka_unit_test(lies_and_error_codes_are_told_apart),
        cmocka_unit_test(cut_anywhere_it_is_never_a_listing),
        cmocka_unit_test(the_reason_is_the_first_txt_record),
        cmocka_unit_test(a_long_reason_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
