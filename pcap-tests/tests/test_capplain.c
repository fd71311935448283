/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain files, which are read without libpcap: as with it, and what lies ahead is what comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "pcap-tests/replay/capsrc.h"
#include "pcap-tests/tests/capture_file.h"

/* A number over all that is read, and how it ended. */
static uint64_t reading_sum(struct bytes b, char error[static CAPSRC_ERROR_MAX])
{
    struct capsrc_record record;
    struct capsrc *source;
    enum capsrc_result end;
    uint64_t sum = 14695981039346656037u;

    put_file(b);
    source = capsrc_open(path, error);
    drop_file();
    assert_non_null(source);
    while ((end = capsrc_next(source, &record)) == CAPSRC_IP || end == CAPSRC_OTHER) {
        const uint64_t numbers[] = {(uint64_t)end,  (uint64_t)record.wall.ns, record.captured,
                                    record.on_wire, record.frame.cut,         record.frame.l3.len};
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
            sum = (sum ^ numbers[i]) * 1099511628211u;
        for (size_t i = 0; i < record.frame.l3.len; i++)
            sum = (sum ^ record.frame.l3.at[i]) * 1099511628211u;
    }
    error[0] = '\0';
    if (end == CAPSRC_TROUBLE)
        snprintf(error, CAPSRC_ERROR_MAX, "%s", capsrc_error(source));
    capsrc_close(source);
    return sum;
}

static void add_odd_record(FILE *f, unsigned odd)
{
    static const uint8_t bytes[60] = {0x45};
    const uint32_t heads[][4] = {
        {7, 1000000, 60, 60},    /* a millionth too many */
        {0x80000000, 0, 60, 60}, /* long ago, or in a distant future */
        {0xffffffff, 5, 60, 60}, /* later than that can't be written */
        {7, 0, 61, 61},          /* longer than the file's snapshot length */
        {7, 0, 60, 20},          /* longer than on the wire */
        {7, 0, 0, 1500},         /* nothing of it was kept */
        {7, 0, 0x7fffffff, 60},  /* can't be */
        {7, 0xffffffff, 0, 0},
    };
    const uint32_t *head = heads[odd % (sizeof heads / sizeof heads[0])];

    fwrite(head, sizeof *head, 4, f);
    fwrite(bytes, 1, sizeof bytes, f);
    if (head[2] == 61)
        fputc(0, f);
}

/* Plain files are read without libpcap, packed ones with it: there must be no difference, whatever is odd where. */
static void test_plain_reads_as_libpcap(void **state)
{
    static uint8_t packed[4 << 20], l3[60000];
    uint32_t random = 1;

    (void)state;
    memset(l3, 0x45, sizeof l3);
    for (unsigned round = 0; round < 2 * 8 * 3; round++) {
        char *text = NULL, error[2][CAPSRC_ERROR_MAX];
        size_t len = 0;
        uint64_t sum[2];
        FILE *f = open_memstream(&text, &len);
        bool nano = round % 2 == 1, whole = round / 16 != 1, small = round / 16 < 2;

        const uint32_t head[] = {nano ? 0xa1b23c4d : 0xa1b2c3d4, 4 << 16 | 2, 0, 0, small ? 60 : 65535, 101};
        fwrite(head, sizeof *head, 6, f);
        for (unsigned i = 0; i < (small ? 9 : 300); i++) {
            random = random * 1664525 + 1013904223;
            if (i == 4 || i == 250)
                add_odd_record(f, round / 2);
            support_pcap_add(f, INT64_C(1795494326123456000) + random % 1000000000,
                             bytes_of(l3, small ? random % 61 : random % 60000), random % 70000);
        }
        fclose(f);
        len -= whole ? 0 : 1 + random % 70;
        sum[0] = reading_sum(bytes_of(text, len), error[0]);
        sum[1] = reading_sum(bytes_of(packed, gzip(bytes_of(text, len), packed, sizeof packed)), error[1]);
        assert_int_equal(sum[0], sum[1]);
        assert_string_equal(strrchr(error[0], ':') ? strrchr(error[0], ':') : "",
                            strrchr(error[1], ':') ? strrchr(error[1], ':') : "");
        free(text);
    }
}

/* What was seen ahead comes, in the same order, and nothing between; wherever the buffer ended. */
static void test_ahead_is_what_comes(void **state)
{
    static uint8_t l3[9000];
    char *text = NULL, error[CAPSRC_ERROR_MAX];
    size_t len = 0, seen = 0, compared = 0;
    uint32_t random = 1;
    struct capsrc_record record;
    struct capsrc *source;
    struct {
        size_t len;
        uint8_t last;
    } ahead[16] = {{0}};
    FILE *f = open_memstream(&text, &len);

    (void)state;
    for (size_t i = 0; i < sizeof l3; i += 4) /* who looks for a record in the middle of one finds one */
        l3[i] = 0x45;
    support_pcap_start(f, 101);
    for (unsigned i = 0; i < 2000; i++) {
        random = random * 1664525 + 1013904223;
        l3[1 + random % 8000] = (uint8_t)i;
        support_pcap_add(f, INT64_C(1795494326123456000), bytes_of(l3, 2 + random % 8000), 0);
    }
    fclose(f);
    put_file(bytes_of(text, len));
    source = capsrc_open(path, error);
    drop_file();
    assert_non_null(source);
    for (size_t n = 0; capsrc_next(source, &record) == CAPSRC_IP; n++) {
        struct bytes b = record.frame.l3;
        if (n < seen) {
            assert_int_equal(b.len, ahead[n % 16].len);
            assert_int_equal(b.at[b.len - 1], ahead[n % 16].last);
            compared++;
        } else {
            seen = n + 1;
        }
        while (n % 3 != 0 && capsrc_ahead(source, n % 9, &b)) { /* not each time, and not as far each time */
            ahead[seen % 16].len = b.len;
            ahead[seen++ % 16].last = b.at[b.len - 1];
        }
        assert_true(seen <= n + 11);
    }
    assert_true(compared > 1000);
    capsrc_close(source);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_reads_as_libpcap),
        cmocka_unit_test(test_ahead_is_what_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
