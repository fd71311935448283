/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Captures of every kind, whole, broken off at any byte, damaged: what comes out of them, and what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "pcap-tests/replay/capsrc.h"
#include "pcap-tests/tests/capture_file.h"

/* Everything that can be read. Says how it ended. */
struct reading {
    size_t ip, other;
    bool opened;
    enum capsrc_result end;
    char error[CAPSRC_ERROR_MAX];
    struct capsrc_record last; /* its bytes are gone */
};

static struct reading read_bytes(struct bytes b)
{
    struct reading r = {.end = CAPSRC_TROUBLE};
    struct capsrc_record record;
    struct capsrc *source;

    put_file(b);
    source = capsrc_open(path, r.error);
    drop_file();
    if (!source)
        return r;
    r.opened = true;
    while ((r.end = capsrc_next(source, &record)) == CAPSRC_IP || r.end == CAPSRC_OTHER) {
        r.ip += r.end == CAPSRC_IP;
        r.other += r.end == CAPSRC_OTHER;
        r.last = record;
        if (r.end == CAPSRC_IP) { /* all of it can be read */
            volatile uint8_t sum = 0;
            for (size_t i = 0; i < record.frame.l3.len; i++)
                sum = (uint8_t)(sum + record.frame.l3.at[i]);
        }
    }
    if (r.end == CAPSRC_TROUBLE)
        snprintf(r.error, sizeof r.error, "%s", capsrc_error(source));
    capsrc_close(source);
    return r;
}

static void assert_says(const struct reading *r, const char *what)
{
    if (strncmp(r->error, path, strlen(path)) != 0 || !strstr(r->error, what))
        fail_msg("\"%s\" doesn't name the file and say \"%s\"", r->error, what);
}

/* Three packets as a pcap file. */
static struct bytes a_pcap(uint32_t linktype)
{
    static char *text;
    static size_t len;
    struct support_session_config c = {.no_fin = true, .no_acks = true, .start_ns = INT64_C(1795494326123456000)};
    struct support_session *s = support_session_new(&c, NULL, 0);
    FILE *f;

    free(text);
    text = NULL;
    f = open_memstream(&text, &len);
    support_session_pcap(s, f, linktype);
    fclose(f);
    support_session_free(s);
    return bytes_of(text, len);
}

static void test_reads_a_pcap(void **state)
{
    struct reading r = read_bytes(a_pcap(1));

    (void)state;
    assert_int_equal(r.end, CAPSRC_END);
    assert_int_equal(r.ip, 3);
    assert_int_equal(r.last.wall.ns, INT64_C(1795494326125456000));
    assert_int_equal(r.last.frame.at.ns, r.last.wall.ns);
    assert_int_equal(r.last.frame.wall.ns, r.last.wall.ns);
    assert_int_equal(r.last.frame.csum, CSUM_UNSET);
    assert_int_equal(r.last.captured, 54);
    assert_int_equal(r.last.on_wire, 54);
    assert_int_equal(r.last.frame.l3.len, 40);
    assert_false(r.last.frame.cut || r.last.has_mark);
}

/* Broken off anywhere: never more packets than there are, and a message unless it ends between two records. */
static void test_every_truncation(void **state)
{
    struct bytes whole = a_pcap(1);

    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        struct bytes part = guard_copy(bytes_first(whole, len));
        struct reading r = read_bytes(part);
        size_t records = len < 24 ? 0 : (len - 24) / 70;
        bool between = len >= 24 && (len - 24) % 70 == 0;

        assert_int_equal(r.ip, records);
        assert_int_equal(r.end, between ? CAPSRC_END : CAPSRC_TROUBLE);
        assert_int_equal(r.opened, len >= 24);
        if (len == 0)
            assert_says(&r, "is empty");
        else if (!between)
            assert_says(&r, len < 24 ? "truncated" : "near byte");
        guard_free(part);
    }
}

static void test_says_where(void **state)
{
    struct reading r = read_bytes(bytes_first(a_pcap(1), 24 + 70 + 30));

    (void)state;
    assert_says(&r, ": near byte 124: truncated dump file");
}

static void test_not_a_capture(void **state)
{
    struct reading r = read_bytes(bytes_str("SELECT * FROM captures; -- surely not one\n"));

    (void)state;
    assert_false(r.opened);
    assert_says(&r, "is neither a pcap nor a pcapng file (of compressed ones, gzip is read)");
}

static void test_unknown_link(void **state)
{
    uint8_t bytes[512];
    struct bytes whole = a_pcap(1);
    struct reading r;

    (void)state;
    memcpy(bytes, whole.at, whole.len);
    bytes[20] = 105; /* IEEE 802.11 */
    r = read_bytes(bytes_of(bytes, whole.len));
    assert_false(r.opened);
    assert_says(&r, "link type 105, IEEE802_11");
}

static void test_missing_and_directory(void **state)
{
    char error[CAPSRC_ERROR_MAX];

    (void)state;
    assert_null(capsrc_open("/nonexistent/\x1b[31m", error));
    assert_string_equal(error, "/nonexistent/\\x1b[31m: No such file or directory");
    assert_null(capsrc_open("/", error));
    assert_string_equal(error, "/: is a directory, not a capture");
}

/* A record that claims an absurd length, as every hostile capture does. */
static void test_absurd_record(void **state)
{
    uint8_t bytes[512];
    struct bytes whole = a_pcap(1);
    struct reading r;

    (void)state;
    memcpy(bytes, whole.at, whole.len);
    memset(bytes + 24 + 70 + 8, 0xff, 4);
    r = read_bytes(bytes_of(bytes, whole.len));
    assert_int_equal(r.ip, 1);
    assert_int_equal(r.end, CAPSRC_TROUBLE);
    assert_says(&r, "near byte");
}

/* Any single byte wrong: an end, some end. */
static void test_every_byte_wrong(void **state)
{
    struct bytes whole = a_pcap(1);
    uint8_t bytes[512];

    (void)state;
    for (size_t at = 0; at < whole.len; at++) {
        memcpy(bytes, whole.at, whole.len);
        bytes[at] ^= 0xff;
        (void)read_bytes(bytes_of(bytes, whole.len));
    }
}

/* Adding a day to any time stamp can't overflow. */
static void test_time_stamps_are_clamped(void **state)
{
    uint8_t bytes[512];
    struct bytes whole = a_pcap(1);
    struct reading r;

    (void)state;
    memcpy(bytes, whole.at, whole.len);
    memset(bytes + 24 + 140, 0xff, 8);
    r = read_bytes(bytes_of(bytes, whole.len));
    assert_int_equal(r.ip, 3);
    assert_true(r.last.wall.ns >= 0 && r.last.wall.ns < INT64_MAX - 86400 * NS_PER_S);
}

static void test_snaplen_is_noticed(void **state)
{
    uint8_t bytes[512];
    struct bytes whole = a_pcap(1);
    struct reading r;

    (void)state;
    memcpy(bytes, whole.at, whole.len);
    bytes[24 + 140 + 12] = 200; /* length on the wire */
    r = read_bytes(bytes_of(bytes, whole.len));
    assert_true(r.last.frame.cut);
    assert_int_equal(r.last.captured, 54);
    assert_int_equal(r.last.on_wire, 200);
}

static void test_not_ip(void **state)
{
    uint8_t bytes[512];
    struct bytes whole = a_pcap(1);
    struct reading r;

    (void)state;
    memcpy(bytes, whole.at, whole.len);
    bytes[24 + 16 + 12] = 0x08;
    bytes[24 + 16 + 13] = 0x06; /* ARP */
    r = read_bytes(bytes_of(bytes, whole.len));
    assert_int_equal(r.ip, 2);
    assert_int_equal(r.other, 1);
    assert_int_equal(r.end, CAPSRC_END);
}

/* gzip */

static void test_gzip_at_every_truncation(void **state)
{
    uint8_t packed[1024];
    size_t len = gzip(a_pcap(1), packed, sizeof packed);
    struct reading r = read_bytes(bytes_of(packed, len));

    (void)state;
    assert_int_equal(r.end, CAPSRC_END);
    assert_int_equal(r.ip, 3);
    for (size_t part = 0; part < len; part++) {
        r = read_bytes(bytes_of(packed, part));
        assert_int_equal(r.end, CAPSRC_TROUBLE);
        assert_true(strncmp(r.error, path, strlen(path)) == 0);
    }
    assert_says(&r, "the gzip data end early");
}

static void test_damaged_gzip(void **state)
{
    uint8_t packed[1024];
    size_t len = gzip(a_pcap(1), packed, sizeof packed);
    struct reading r;

    (void)state;
    packed[len - 6] ^= 0xff; /* of the checksum */
    r = read_bytes(bytes_of(packed, len));
    assert_int_equal(r.end, CAPSRC_TROUBLE);
    assert_says(&r, "the gzip data are damaged");
}

/* pcapng */

static void put_le(FILE *f, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        putc((int)(v >> 8 * i & 0xff), f);
}

static void put_interface(FILE *f, uint32_t linktype, uint32_t snaplen)
{
    put_le(f, 1);
    put_le(f, 20);
    put_le(f, linktype);
    put_le(f, snaplen);
    put_le(f, 20);
}

static void put_packet(FILE *f, uint32_t interface, struct bytes b)
{
    static const uint8_t zeros[4];
    size_t padded = (b.len + 3) / 4 * 4;

    put_le(f, 6);
    put_le(f, (uint32_t)(32 + padded));
    put_le(f, interface);
    put_le(f, 0x00060000); /* microseconds since 1970, high half */
    put_le(f, 0x12345678);
    put_le(f, (uint32_t)b.len);
    put_le(f, (uint32_t)b.len);
    fwrite(b.at, 1, b.len, f);
    fwrite(zeros, 1, padded - b.len, f);
    put_le(f, (uint32_t)(32 + padded));
}

/* Two packets, the second one on an interface with that link type. */
static struct bytes a_pcapng(uint32_t second_link, uint32_t second_snaplen, char **text, size_t *len)
{
    static const uint8_t frame[60] = {[12] = 0x08, [14] = 0x45, [17] = 40};
    FILE *f = open_memstream(text, len);

    put_le(f, 0x0a0d0d0a);
    put_le(f, 28);
    put_le(f, 0x1a2b3c4d);
    put_le(f, 0x00000001);
    put_le(f, 0xffffffff);
    put_le(f, 0xffffffff);
    put_le(f, 28);
    put_interface(f, 1, 65535);
    put_packet(f, 0, bytes_of(frame, sizeof frame));
    put_interface(f, second_link, second_snaplen);
    put_packet(f, 1, bytes_of(frame, sizeof frame));
    fclose(f);
    return bytes_of(*text, *len);
}

static void test_pcapng_at_every_truncation(void **state)
{
    char *text = NULL;
    size_t len = 0;
    struct bytes whole = a_pcapng(1, 65535, &text, &len);
    struct reading r = read_bytes(whole);

    (void)state;
    assert_int_equal(r.end, CAPSRC_END);
    assert_int_equal(r.ip, 2);
    for (size_t part = 0; part < len; part++) {
        r = read_bytes(bytes_first(whole, part));
        assert_true(r.ip <= 2);
        if (r.end == CAPSRC_TROUBLE)
            assert_true(strncmp(r.error, path, strlen(path)) == 0);
    }
    free(text);
}

static void test_pcapng_of_different_interfaces(void **state)
{
    char *text = NULL;
    size_t len = 0;
    struct reading r = read_bytes(a_pcapng(113, 65535, &text, &len));

    (void)state;
    assert_int_equal(r.ip, 1);
    assert_int_equal(r.end, CAPSRC_TROUBLE);
    assert_says(&r, "interfaces of different link types");
    free(text);
    text = NULL;
    r = read_bytes(a_pcapng(1, 96, &text, &len));
    assert_int_equal(r.ip, 1);
    assert_says(&r, "interfaces of different snapshot lengths");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_a_pcap),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_says_where),
        cmocka_unit_test(test_not_a_capture),
        cmocka_unit_test(test_unknown_link),
        cmocka_unit_test(test_missing_and_directory),
        cmocka_unit_test(test_absurd_record),
        cmocka_unit_test(test_every_byte_wrong),
        cmocka_unit_test(test_time_stamps_are_clamped),
        cmocka_unit_test(test_snaplen_is_noticed),
        cmocka_unit_test(test_not_ip),
        cmocka_unit_test(test_gzip_at_every_truncation),
        cmocka_unit_test(test_damaged_gzip),
        cmocka_unit_test(test_pcapng_at_every_truncation),
        cmocka_unit_test(test_pcapng_of_different_interfaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
