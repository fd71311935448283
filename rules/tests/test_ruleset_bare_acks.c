/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs that let packets without payload bypass the queue, taken from the printed script and run by libpcap's
 * interpreter over every packet that differs in one thing: nothing else passes.
 */
#include "rules/ruleset.h"

#include "kmod-free/tests/support.h"

#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct script {
    struct bpf_insn of[64];
    unsigned count;
};

static char *text;

static struct script program(const char *name)
{
    struct script s = {0};
    const char *at = strstr(text, name);
    char *rest;

    assert_non_null(at);
    s.count = (unsigned)strtoul(at + strlen(name), &rest, 10);
    assert_true(s.count > 5 && s.count <= 64);
    for (unsigned i = 0; i < s.count; i++) {
        unsigned long n[4];
        for (int k = 0; k < 4; k++) {
            assert_int_equal(*rest, k == 0 ? ',' : ' ');
            n[k] = strtoul(rest + 1, &rest, 10);
        }
        s.of[i] = (struct bpf_insn){(u_short)n[0], (u_char)n[1], (u_char)n[2], (bpf_u_int32)n[3]};
    }
    assert_int_equal(*rest, '\'');
    assert_true(bpf_validate(s.of, (int)s.count));
    return s;
}

#define ROOM 256

/* As the match sees it: the bytes from the IP header on. */
static bool passes(const struct script *s, const uint8_t packet[static ROOM], size_t len)
{
    return bpf_filter(s->of, packet, (u_int)len, (u_int)len) != 0;
}

static size_t bare4(uint8_t p[static ROOM], unsigned words)
{
    memset(p, 0, ROOM);
    p[0] = 0x45;
    p[3] = (uint8_t)(20 + 4 * words);
    p[6] = 0x40; /* don't fragment */
    p[9] = 6;
    p[32] = (uint8_t)(words << 4);
    p[33] = 0x10;
    return p[3];
}

static size_t bare6(uint8_t p[static ROOM], unsigned words)
{
    memset(p, 0, ROOM);
    p[0] = 0x60;
    p[5] = (uint8_t)(4 * words);
    p[6] = 6;
    p[52] = (uint8_t)(words << 4);
    p[53] = 0x10;
    return 40U + p[5];
}

static void ipv4_is_empty(const char *name, unsigned mask, unsigned wanted)
{
    struct script s = program(name);
    uint8_t p[ROOM];

    for (unsigned words = 0; words < 16; words++) {
        size_t len = bare4(p, words);
        assert_int_equal(passes(&s, p, len), words >= 5);
        for (unsigned total = 0; total < 65536; total++) { /* one byte more, or fewer, and it is judged */
            p[2] = (uint8_t)(total >> 8);
            p[3] = (uint8_t)total;
            assert_int_equal(passes(&s, p, len), words >= 5 && total == 20 + 4 * words);
        }
    }
    size_t len = bare4(p, 8);
    for (unsigned flags = 0; flags < 256; flags++) { /* the two ECN bits don't matter */
        p[33] = (uint8_t)flags;
        assert_int_equal(passes(&s, p, len), (flags & mask) == wanted);
    }
    len = bare4(p, 8);
    for (unsigned first = 0; first < 256; first++) {
        p[0] = (uint8_t)first;
        assert_int_equal(passes(&s, p, len), first == 0x45);
    }
    len = bare4(p, 8);
    for (unsigned fragment = 0; fragment < 65536; fragment++) {
        p[6] = (uint8_t)(fragment >> 8);
        p[7] = (uint8_t)fragment;
        assert_int_equal(passes(&s, p, len), (fragment & 0x3fff) == 0);
    }
    (void)bare4(p, 5);
    for (size_t cut = 0; cut < 34; cut++)
        assert_false(passes(&s, p, cut));
}

static void ipv6_is_empty(const char *name, unsigned mask, unsigned wanted)
{
    struct script s = program(name);
    uint8_t p[ROOM];

    for (unsigned words = 0; words < 16; words++) {
        size_t len = bare6(p, words);
        assert_int_equal(passes(&s, p, len), words >= 5);
        for (unsigned total = 0; total < 65536; total++) {
            p[4] = (uint8_t)(total >> 8);
            p[5] = (uint8_t)total;
            assert_int_equal(passes(&s, p, len), words >= 5 && total == 4 * words);
        }
    }
    size_t len = bare6(p, 8);
    for (unsigned flags = 0; flags < 256; flags++) {
        p[53] = (uint8_t)flags;
        assert_int_equal(passes(&s, p, len), (flags & mask) == wanted);
    }
    len = bare6(p, 8);
    for (unsigned next = 0; next < 256; next++) { /* no extension header of any kind */
        p[6] = (uint8_t)next;
        assert_int_equal(passes(&s, p, len), next == 6);
    }
    (void)bare6(p, 5);
    for (size_t cut = 0; cut < 54; cut++)
        assert_false(passes(&s, p, cut));
}

static void bare_acks(void **state)
{
    (void)state;
    ipv4_is_empty("\nbare_ack4='", 0x3f, 0x10);
    ipv6_is_empty("\nbare_ack6='", 0x3f, 0x10);
}

/* When QUIT was said: any flags but SYN and URG. */
static void empty(void **state)
{
    (void)state;
    ipv4_is_empty("\nempty4='", 0x22, 0);
    ipv6_is_empty("\nempty6='", 0x22, 0);
}

static int print_script(void **state)
{
    struct config c;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    (void)state;
    if (f == NULL || !config_defaults(&c) || !ruleset_print_iptables(&c, f))
        return -1;
    config_free(&c);
    return fclose(f);
}

static int free_script(void **state)
{
    (void)state;
    free(text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bare_acks), cmocka_unit_test(empty)};

    return cmocka_run_group_tests_name("ruleset_bare_acks", tests, print_script, free_script);
}
