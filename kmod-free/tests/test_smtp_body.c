/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end-of-data recogniser against a slow and obvious one, on every short text and at every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/smtp_body.h"
#include "kmod-free/tests/support.h"

struct found {
    enum smtp_body_end end;
    size_t at; /* bytes up to and with its end */
};

static bool in_break(uint8_t c)
{
    return c == '\r' || c == '\n' || c == 0;
}

/*
 * The rule as the header states it: a dot, behind a run of CR, LF and NUL that holds a CR or
 * LF, and before one. The text begins behind a CRLF. Strict: exactly CRLF on both sides.
 */
static struct found obvious(struct bytes text)
{
    uint8_t b[64] = "\r\n";
    assert_in_range(text.len, 0, sizeof(b) - 2);
    memcpy(b + 2, text.at, text.len);
    size_t len = text.len + 2;
    for (size_t dot = 2; dot < len; dot++) {
        size_t from = dot, to = dot + 1;
        if (b[dot] != '.')
            continue;
        while (from > 0 && b[from - 1] == 0)
            from--;
        if (from == 0 || !in_break(b[from - 1]))
            continue;
        if (b[dot - 2] == '\r' && b[dot - 1] == '\n' && dot + 2 < len && b[dot + 1] == '\r' && b[dot + 2] == '\n')
            return (struct found){SMTP_BODY_ENDS, dot + 3 - 2};
        while (to < len && b[to] == 0)
            to++;
        if (to < len && b[to] == '\n')
            return (struct found){SMTP_BODY_ODD_END, to + 1 - 2};
        if (to == len || b[to] != '\r')
            continue;
        while (to < len && (b[to] == '\r' || b[to] == 0)) /* CRs belong to the same line end */
            to++;
        if (to == len)
            continue; /* what comes next decides */
        return (struct found){SMTP_BODY_ODD_END, to + (b[to] == '\n') - 2};
    }
    return (struct found){SMTP_BODY_GOES_ON, text.len};
}

/* The same text in two pieces, each at a guard page. */
static struct found scan(struct bytes text, size_t cut)
{
    uint8_t state = SMTP_BODY_CRLF;
    struct found f = {SMTP_BODY_GOES_ON, 0};
    for (int piece = 0; piece < 2 && f.end == SMTP_BODY_GOES_ON; piece++) {
        struct bytes part = piece == 0 ? bytes_first(text, cut) : bytes_from(text, cut);
        struct bytes in = part;
        f.end = smtp_body_scan(&state, &in);
        f.at += part.len - in.len;
        assert_true(f.end != SMTP_BODY_GOES_ON || in.len == 0);
    }
    return f;
}

static void check(struct bytes text)
{
    struct found want = obvious(text);
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct found got = scan(text, cut);
        if (got.end == want.end && got.at == want.at)
            continue;
        print_error("text");
        for (size_t i = 0; i < text.len; i++)
            print_error(" %02x", text.at[i]);
        fail_msg(", cut behind %zu: %d at %zu, not %d at %zu", cut, got.end, got.at, want.end, want.at);
    }
}

/* All texts of up to eight bytes of the five kinds that matter. */
static void test_every_short_text(void **state)
{
    static const uint8_t letters[] = {'\r', '\n', '.', 0, 'x'};
    struct bytes room = bytes_of(guard_room(8), 8);
    (void)state;
    for (size_t len = 0; len <= 8; len++) {
        size_t count = 1;
        for (size_t i = 0; i < len; i++)
            count *= sizeof(letters);
        uint8_t *text = (uint8_t *)(uintptr_t)room.at + 8 - len;
        for (size_t n = 0; n < count; n++) {
            for (size_t i = 0, rest = n; i < len; i++, rest /= sizeof(letters))
                text[i] = letters[rest % sizeof(letters)];
            check(bytes_of(text, len));
        }
    }
    guard_room_free((uint8_t *)(uintptr_t)room.at, 8);
}

static void test_texts(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        enum smtp_body_end end;
        size_t at;
    } rows[] = {
#define TEXT(s) s, sizeof(s) - 1
        {TEXT("\r\n.\r\n"), SMTP_BODY_ENDS, 5},
        {TEXT(".\r\nNOOP"), SMTP_BODY_ENDS, 3},
        {TEXT("x\r\n.\r\nNOOP"), SMTP_BODY_ENDS, 6},
        {TEXT("x\r\n..\r\n.\r\n"), SMTP_BODY_ENDS, 10},
        {TEXT("x.\r\n.\r\n"), SMTP_BODY_ENDS, 7},
        {TEXT("x\n.\nMAIL"), SMTP_BODY_ODD_END, 4},
        {TEXT("x\r.\rMAIL"), SMTP_BODY_ODD_END, 4},
        {TEXT("x\r\n.\r\r\nMAIL"), SMTP_BODY_ODD_END, 7},
        {TEXT("x\r\n\0.\r\nMAIL"), SMTP_BODY_ODD_END, 7},
        {TEXT("x\0\0.\r\n"), SMTP_BODY_GOES_ON, 6},
        {TEXT("\xe2\x80\xa8.\xe2\x80\xa8"), SMTP_BODY_GOES_ON, 7},
        {TEXT("x\r\n. \r\n"), SMTP_BODY_GOES_ON, 7},
        {TEXT("x\r\n.\x0b\r\n"), SMTP_BODY_GOES_ON, 7},
#undef TEXT
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes text = guard_copy(bytes_of(rows[i].text, rows[i].len));
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct found got = scan(text, cut);
            assert_int_equal(got.end, rows[i].end);
            assert_int_equal(got.at, rows[i].at);
        }
        check(text);
        guard_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_short_text),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
