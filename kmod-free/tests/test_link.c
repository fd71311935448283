// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmod-free/link.h"
#include "kmod-free/tests/support.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Stand-ins for IP packets: link looks at the version only. */
static const uint8_t v4[] = {0x45, 'i', 'p', '4'};
static const uint8_t v6[] = {0x60, 'i', 'p', '6', '!'};
static const uint8_t v5[] = {0x55, 'i', 'p', '5'};

#define MACS "\2\0\0\0\0\1\2\0\0\0\0\2"
#define SLL  "\0\4\0\1\0\6\2\0\0\0\0\1\0\0"
#define SLL2 "\0\0\0\0\0\3\0\1\4\6\2\0\0\0\0\1\0\0"

struct link_case {
    uint32_t linktype;
    const char *head;
    size_t head_len;
    const uint8_t *ip; /* NULL: nothing behind the head */
    enum link_result want;
};

#define HEAD(text) (text), sizeof(text) - 1

static const struct link_case cases[] = {
    /* Ethernet */
    {1, HEAD(MACS "\x08\x00"), v4, LINK_IP},
    {1, HEAD(MACS "\x86\xdd"), v6, LINK_IP},
    {1, HEAD(MACS "\x08\x00"), v6, LINK_BROKEN},
    {1, HEAD(MACS "\x86\xdd"), v4, LINK_BROKEN},
    {1, HEAD(MACS "\x08\x00"), v5, LINK_BROKEN},
    {1, HEAD(MACS "\x08\x06"), v4, LINK_OTHER}, /* ARP */
    {1, HEAD(MACS "\x00\x2e"), v4, LINK_OTHER}, /* 802.3 length */
    {1, HEAD(MACS "\x81\x00\x00\x01\x08\x00"), v4, LINK_IP},
    {1, HEAD(MACS "\x88\xa8\x00\x01\x81\x00\x00\x02\x86\xdd"), v6, LINK_IP},
    {1, HEAD(MACS "\x91\x00\x00\x01\x92\x00\x00\x01\x93\x00\x00\x01\x81\x00\x00\x02\x08\x00"), v4, LINK_IP},
    {1, HEAD(MACS "\x81\x00\x00\x01\x08\x06"), v4, LINK_OTHER},
    /* PPPoE in Ethernet: session, with and without tag, compressed protocol; discovery; other versions and codes */
    {1, HEAD(MACS "\x88\x64\x11\x00\x00\x07\x00\x06\x00\x21"), v4, LINK_IP},
    {1, HEAD(MACS "\x81\x00\x00\x01\x88\x64\x11\x00\x00\x07\x00\x07\x00\x57"), v6, LINK_IP},
    {1, HEAD(MACS "\x88\x64\x11\x00\x00\x07\x00\x05\x21"), v4, LINK_IP},
    {1, HEAD(MACS "\x88\x64\x11\x00\x00\x07\x00\x06\xc0\x21"), v4, LINK_OTHER}, /* LCP */
    {1, HEAD(MACS "\x88\x64\x11\x00\x00\x07\x00\x01\x00\x21"), v4, LINK_BROKEN},
    {1, HEAD(MACS "\x88\x63\x11\x09\x00\x00\x00\x04\x00\x21"), v4, LINK_OTHER},
    {1, HEAD(MACS "\x88\x64\x11\xa7\x00\x07\x00\x06\x00\x21"), v4, LINK_OTHER},
    {1, HEAD(MACS "\x88\x64\x12\x00\x00\x07\x00\x06\x00\x21"), v4, LINK_OTHER},
    {51, HEAD("\x11\x00\x00\x07\x00\x06\x00\x21"), v4, LINK_IP},
    /* raw */
    {12, HEAD(""), v4, LINK_IP},
    {14, HEAD(""), v6, LINK_IP},
    {101, HEAD(""), v4, LINK_IP},
    {101, HEAD(""), v6, LINK_IP},
    {101, HEAD(""), v5, LINK_BROKEN},
    {228, HEAD(""), v4, LINK_IP},
    {228, HEAD(""), v6, LINK_BROKEN},
    {229, HEAD(""), v6, LINK_IP},
    {229, HEAD(""), v4, LINK_BROKEN},
    /* null and loop: both byte orders, every system's AF_INET6 */
    {0, HEAD("\2\0\0\0"), v4, LINK_IP},
    {0, HEAD("\0\0\0\2"), v4, LINK_IP},
    {0, HEAD("\x0a\0\0\0"), v6, LINK_IP},
    {0, HEAD("\x17\0\0\0"), v6, LINK_IP},
    {0, HEAD("\x18\0\0\0"), v6, LINK_IP},
    {0, HEAD("\x1c\0\0\0"), v6, LINK_IP},
    {0, HEAD("\x1e\0\0\0"), v6, LINK_IP},
    {0, HEAD("\0\0\0\x1e"), v6, LINK_IP},
    {0, HEAD("\2\0\0\0"), v6, LINK_BROKEN},
    {0, HEAD("\x1e\0\0\0"), v4, LINK_BROKEN},
    {0, HEAD("\1\0\0\0"), v4, LINK_OTHER},
    {0, HEAD("\2\1\0\0"), v4, LINK_OTHER},
    {0, HEAD("\2\0\1\0"), v4, LINK_OTHER},
    {108, HEAD("\0\0\0\2"), v4, LINK_IP},
    {108, HEAD("\0\0\0\x18"), v6, LINK_IP},
    {108, HEAD("\x18\0\0\0"), v6, LINK_IP},
    /* PPP, with and without HDLC-like framing and protocol compression */
    {9, HEAD("\xff\x03\x00\x21"), v4, LINK_IP},
    {9, HEAD("\xff\x03\x00\x57"), v6, LINK_IP},
    {9, HEAD("\x00\x21"), v4, LINK_IP},
    {9, HEAD("\x21"), v4, LINK_IP},
    {9, HEAD("\xff\x03\x57"), v6, LINK_IP},
    {9, HEAD("\xff\x03\x80\x21"), v4, LINK_OTHER}, /* IPCP */
    {9, HEAD("\x23"), v4, LINK_OTHER},
    /* Linux cooked, with a tag inside */
    {113, HEAD(SLL "\x08\x00"), v4, LINK_IP},
    {113, HEAD(SLL "\x86\xdd"), v6, LINK_IP},
    {113, HEAD(SLL "\x81\x00\x00\x05\x08\x00"), v4, LINK_IP},
    {113, HEAD(SLL "\x88\x64\x11\x00\x00\x07\x00\x06\x00\x21"), v4, LINK_IP},
    {113, HEAD(SLL "\x00\x04"), v4, LINK_OTHER},
    {276, HEAD("\x08\x00" SLL2), v4, LINK_IP},
    {276, HEAD("\x86\xdd" SLL2), v6, LINK_IP},
    {276, HEAD("\x81\x00" SLL2 "\x00\x05\x86\xdd"), v6, LINK_IP},
    {276, HEAD("\x08\x06" SLL2), v4, LINK_OTHER},
    /* not ours */
    {105, HEAD(MACS "\x08\x00"), v4, LINK_UNKNOWN}, /* 802.11 */
    {UINT32_MAX, HEAD(""), v4, LINK_UNKNOWN},
};

static size_t ip_len(const uint8_t *ip)
{
    return ip == v6 ? sizeof v6 : ip == NULL ? 0 : sizeof v4;
}

static void every_case_and_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct link_case *c = &cases[i];
        uint8_t raw[256];
        size_t len = c->head_len + ip_len(c->ip);

        memcpy(raw, c->head, c->head_len);
        memcpy(raw + c->head_len, c->ip, ip_len(c->ip));
        assert_int_equal(link_known(c->linktype), c->want != LINK_UNKNOWN);
        for (size_t kept = 0; kept <= len; kept++) {
            struct bytes b = guard_copy(bytes_of(raw, kept));
            struct link_packet out = {.mark = 7, .has_mark = true};
            enum link_result result = link_strip(c->linktype, b, &out);

            if (kept == len)
                assert_int_equal(result, c->want);
            if (c->want == LINK_UNKNOWN)
                assert_int_equal(result, LINK_UNKNOWN);
            else if (c->want == LINK_IP && kept <= c->head_len) /* the version is the least that it takes */
                assert_int_equal(result, c->linktype == 9 && kept == 1 && raw[0] == 0xff ? LINK_OTHER : LINK_BROKEN);
            if (result == LINK_IP) {
                assert_true(kept > c->head_len);
                assert_ptr_equal(out.l3.at, b.at + c->head_len);
                assert_int_equal(out.l3.len, kept - c->head_len);
            } else {
                assert_null(out.l3.at);
            }
            assert_false(out.has_mark);
            assert_false(out.maybe_cut);
            guard_free(b);
        }
    }
}

static void pppoe_length_cuts_padding(void **state)
{
    static const char head[] = MACS "\x88\x64\x11\x00\x00\x07\x00\x06\x00\x21\x45ip4padding";
    struct bytes b = guard_copy(bytes_of(head, sizeof head - 1));
    struct link_packet out;

    (void)state;
    assert_int_equal(link_strip(1, b, &out), LINK_IP);
    assert_true(bytes_equal(out.l3, bytes_of(v4, 4)));
    guard_free(b);
}

static void any_number_of_tags(void **state)
{
    static uint8_t raw[65536];

    (void)state;
    for (size_t tags = 0; tags < 16000; tags = tags * 3 + 1) {
        size_t len = support_ethernet(bytes_of(v4, 4), tags, raw, sizeof raw);
        struct bytes b = guard_copy(bytes_of(raw, len));
        struct link_packet out;

        assert_int_equal(link_strip(1, b, &out), LINK_IP);
        assert_int_equal(out.l3.len, 4);
        guard_free(b);
    }
    /* Tags to the end. */
    memset(raw, 0x81, 12);
    for (size_t i = 12; i < sizeof raw; i += 4)
        memcpy(raw + i, "\x81\x00\x00\x01", 4);
    struct link_packet out;
    assert_int_equal(link_strip(1, bytes_of(raw, sizeof raw), &out), LINK_BROKEN);
}

/* NFLOG */

static size_t put_attribute(uint8_t *at, uint16_t type, const void *value, size_t len)
{
    uint16_t total = (uint16_t)(len + 4);

    memcpy(at, &total, 2); /* this machine's byte order */
    memcpy(at + 2, &type, 2);
    memcpy(at + 4, value, len);
    memset(at + 4 + len, 0, 3);
    return (len + 4 + 3) / 4 * 4;
}

static size_t put_nflog(uint8_t *at, uint8_t family, const char *protocol, const uint8_t *ip)
{
    static const uint8_t ours[] = {0x03, 0x20, 0x00, 0x01};
    size_t len = 4;

    memset(at, 0, 4);
    at[0] = family;
    if (protocol)
        len += put_attribute(at + len, 1, protocol, 4);
    len += put_attribute(at + len, 10, "a prefix", 9); /* NFULA_PREFIX; takes filling */
    len += put_attribute(at + len, 2, ours, 4);
    if (ip) {
        put_attribute(at + len, 9, ip, ip_len(ip));
        len += 4 + ip_len(ip);
    }
    return len;
}

static void nflog(void **state)
{
    static const struct {
        uint8_t family;
        const char *protocol;
        const uint8_t *ip;
        enum link_result want;
    } shapes[] = {
        {2, NULL, v4, LINK_IP},
        {10, "\x86\xdd\x02\x00", v6, LINK_IP},
        {2, NULL, v6, LINK_BROKEN},
        {10, NULL, v4, LINK_BROKEN},
        {7, "\x08\x00\x02\x00", v4, LINK_IP}, /* bridge */
        {7, "\x86\xdd\x02\x00", v6, LINK_IP},
        {7, "\x08\x06\x02\x00", v4, LINK_OTHER},
        {7, NULL, v4, LINK_OTHER},
        {2, NULL, NULL, LINK_OTHER},
    };
    uint8_t raw[128];

    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        size_t len = put_nflog(raw, shapes[i].family, shapes[i].protocol, shapes[i].ip);
        size_t packet = ip_len(shapes[i].ip);

        for (size_t kept = 0; kept <= len; kept++) {
            struct bytes b = guard_copy(bytes_of(raw, kept));
            struct link_packet out;
            enum link_result result = link_strip(239, b, &out);

            if (kept == len)
                assert_int_equal(result, shapes[i].want);
            if (result == LINK_IP) { /* a cut payload counts as far as it goes */
                assert_int_equal(shapes[i].want, LINK_IP);
                assert_true(kept > len - packet);
                assert_int_equal(out.l3.len, packet - (len - kept));
                assert_true(out.maybe_cut);
                assert_true(out.has_mark);
                assert_int_equal(out.mark, 0x03200001);
            }
            if (shapes[i].want == LINK_IP && kept > len - packet)
                assert_int_equal(result, LINK_IP);
            guard_free(b);
        }
    }
}

static void nflog_attributes_that_lie(void **state)
{
    uint8_t raw[128];
    uint16_t bad;
    struct link_packet out;

    (void)state;
    for (bad = 0; bad < 4; bad++) { /* no shorter than their own head: nothing may go round in circles */
        size_t len = put_nflog(raw, 2, NULL, v4);
        memcpy(raw + 4, &bad, 2);
        assert_int_equal(link_strip(239, bytes_of(raw, len), &out), LINK_BROKEN);
        len = put_nflog(raw, 2, NULL, v4);
        memcpy(raw + len - 8, &bad, 2); /* the payload's */
        assert_int_equal(link_strip(239, bytes_of(raw, len), &out), LINK_BROKEN);
    }
    for (bad = 36; bad != 0; bad = (uint16_t)(bad * 3)) { /* longer than the record */
        size_t len = put_nflog(raw, 2, NULL, v4);
        struct bytes b;
        memcpy(raw + 4, &bad, 2);
        b = guard_copy(bytes_of(raw, len));
        assert_int_equal(link_strip(239, b, &out), LINK_BROKEN);
        guard_free(b);
        if (bad > 20000)
            break;
    }
    /* A mark of the wrong length is none. */
    memset(raw, 0, sizeof raw);
    raw[0] = 2;
    size_t len = 4 + put_attribute(raw + 4, 2, "\1\2", 2);
    len += put_attribute(raw + len, 9, v4, 4);
    assert_int_equal(link_strip(239, bytes_of(raw, len), &out), LINK_IP);
    assert_false(out.has_mark);
}

static void unknown_link_types(void **state)
{
    static const uint32_t known[] = {0, 1, 9, 12, 14, 51, 101, 108, 113, 228, 229, 239, 276};
    size_t found = 0;

    (void)state;
    for (uint32_t type = 0; type < 1000; type++) {
        bool listed = found < COUNT(known) && known[found] == type;
        struct link_packet out;
        assert_int_equal(link_known(type), listed);
        assert_int_equal(link_strip(type, bytes_of(v5, 4), &out) == LINK_UNKNOWN, !listed);
        found += listed;
    }
    assert_int_equal(found, COUNT(known));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_and_truncation), cmocka_unit_test(pppoe_length_cuts_padding),
        cmocka_unit_test(any_number_of_tags),        cmocka_unit_test(nflog),
        cmocka_unit_test(nflog_attributes_that_lie), cmocka_unit_test(unknown_link_types),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
