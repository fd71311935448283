// SPDX-License-Identifier: GPL-2.0-or-later
/* The tests' own tools: a guard page that guards nothing would let every other test pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support.h"

/* The rights of the page that holds at, as the kernel sees them; '?' where nothing is mapped. */
static void rights_of(const uint8_t *at, char rights[5])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];

    memcpy(rights, "????", 5);
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        char *rest;
        uintptr_t from = strtoull(line, &rest, 16);
        uintptr_t to = strtoull(rest + 1, &rest, 16);
        if ((uintptr_t)at >= from && (uintptr_t)at < to)
            memcpy(rights, rest + 1, 4);
    }
    (void)fclose(maps);
}

static void guard_pages_guard(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 4095, 4096, 4097, 70000};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *original = calloc(sizes[i] + 1, 1);
        struct bytes copy;
        char rights[5];

        assert_non_null(original);
        for (size_t k = 0; k < sizes[i]; k++)
            original[k] = (uint8_t)(k * 3);
        copy = guard_copy(bytes_of(original, sizes[i]));
        assert_true(bytes_equal(copy, bytes_of(original, sizes[i])));
        rights_of(copy.at + copy.len, rights);
        assert_string_equal(rights, "---p");
        if (copy.len > 0) {
            rights_of(copy.at + copy.len - 1, rights);
            assert_string_equal(rights, "rw-p");
            rights_of(copy.at, rights);
            assert_string_equal(rights, "rw-p");
        }
        guard_free(copy);
        rights_of(copy.at, rights);
        assert_string_not_equal(rights, "rw-p");
        free(original);
    }
}

static void session_from_text(void **state)
{
    static const char text[] = "# a comment\n"
                               "S: 220 mx.local.example\n"
                               "\n"
                               "C: EHLO out.example\n"
                               "C: \n"
                               "S: 250 yes";
    static const struct {
        enum role from;
        uint8_t flags;
        const char *payload;
    } want[] = {
        {ROLE_CLIENT, TCP_SYN, ""},
        {ROLE_SERVER, TCP_SYN | TCP_ACK, ""},
        {ROLE_CLIENT, TCP_ACK, ""},
        {ROLE_SERVER, TCP_ACK, "220 mx.local"},
        {ROLE_SERVER, TCP_ACK | TCP_PSH, ".example\r\n"},
        {ROLE_CLIENT, TCP_ACK, ""},
        {ROLE_CLIENT, TCP_ACK, "EHLO out.exa"},
        {ROLE_CLIENT, TCP_ACK | TCP_PSH, "mple\r\n"},
        {ROLE_SERVER, TCP_ACK, ""},
        {ROLE_CLIENT, TCP_ACK | TCP_PSH, "\r\n"},
        {ROLE_SERVER, TCP_ACK, ""},
        {ROLE_SERVER, TCP_ACK | TCP_PSH, "250 yes\r\n"},
        {ROLE_CLIENT, TCP_ACK, ""},
        {ROLE_CLIENT, TCP_ACK | TCP_FIN, ""},
        {ROLE_SERVER, TCP_ACK | TCP_FIN, ""},
        {ROLE_CLIENT, TCP_ACK, ""},
    };
    struct support_session_config v4 = {.client_isn = 0xfffffffa, .server_isn = 99, .mss = 12, .start_ns = 5};
    struct support_session_config v6 = v4;

    (void)state;
    v6.client = support_endpoint("2001:db8::1", 40112);
    v6.server = support_endpoint("2001:db8::25", 25);
    for (int family = 4; family <= 6; family += 2) {
        struct support_session *s = support_session_text(family == 4 ? &v4 : &v6, text);
        uint32_t next[ROLE_COUNT] = {0xfffffffa, 99};

        assert_int_equal(s->count, sizeof want / sizeof want[0]);
        for (size_t i = 0; i < s->count; i++) {
            struct frame f = support_session_frame(s, i);
            struct packet p;

            assert_int_equal(packet_decode(&f, &p), PACKET_TCP);
            assert_true(p.csum_good);
            assert_int_equal(p.src.addr.family, family);
            assert_int_equal(f.at.ns, 5 + (int64_t)i * NS_PER_MS);
            assert_int_equal(s->frames[i].payload_len, p.payload.len);
            assert_int_equal(p.src.port, s->frames[i].from == ROLE_CLIENT ? 40112 : 25);
            assert_int_equal(p.seq.v, next[s->frames[i].from]);
            if (i > 0)
                assert_int_equal(p.ack.v, next[role_other(s->frames[i].from)]);
            next[s->frames[i].from] += packet_seq_len(&p);
            assert_int_equal(s->frames[i].from, want[i].from);
            assert_int_equal(p.flags, want[i].flags);
            assert_true(bytes_equal(p.payload, bytes_str(want[i].payload)));
        }
        assert_int_equal(s->tcp.next[ROLE_CLIENT], next[ROLE_CLIENT]);
        assert_int_equal(s->tcp.next[ROLE_SERVER], next[ROLE_SERVER]);
        support_session_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guard_pages_guard),
        cmocka_unit_test(session_from_text),
    };
    return cmocka_run_group_tests_name("support", tests, NULL, NULL);
}
