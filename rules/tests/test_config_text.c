/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/config_text.h"

#include "kmod-free/tests/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Tidies text, which ends at a guard page; the tidied text is compared when after isn't NULL. */
static void tidy(struct bytes text, const char *after, const char *wrong, int line)
{
    struct bytes copy = guard_copy(text);
    char *at = (char *)(uintptr_t)copy.at;
    int got_line = 0;
    const char *got = config_text_tidy(at, copy.len, &got_line);

    if (wrong == NULL) {
        assert_null(got);
        if (after != NULL)
            assert_true(bytes_equal(bytes_of(at, copy.len), bytes_str(after)));
    } else {
        assert_non_null(got);
        assert_non_null(strstr(got, wrong));
        assert_int_equal(got_line, line);
    }
    guard_free(copy);
}

static void comments_are_blanked(void **state)
{
    (void)state;
    tidy(bytes_str(""), "", NULL, 0);
    tidy(bytes_str("# a\nb # c\n#"), "   \nb    \n ", NULL, 0);
    tidy(bytes_str("a = \"#\" # \"x\n'#'#'\n"), "a = \"#\"     \n'#'  \n", NULL, 0);
    tidy(bytes_str("\"\\\"#\"#\n'\\'#'#"), "\"\\\"#\" \n'\\'#' ", NULL, 0);
    tidy(bytes_str("'\\'\n"), NULL, "doesn't end", 1); /* the backslash took the quote */
    tidy(bytes_str("'a\\b'#"), "'a\\b' ", NULL, 0);
    tidy(bytes_str("# \x01 * | + ${} // /* \xff \"\n"), NULL, NULL, 0);
    tidy(bytes_str("\xef\xbb\xbfmode"), "   mode", NULL, 0);
    tidy(bytes_str("a = http://x\r\n"), "a = http://x\r\n", NULL, 0);
    tidy(bytes_str("} }} {{ } '{' \"{\" } # {\n"), NULL, NULL, 0); /* one too many is the library's to refuse */
    tidy(bytes_str("a += b\n"), "a += b\n", NULL, 0);
}

static void what_the_library_would_pass_over(void **state)
{
    static const struct {
        const char *text, *wrong;
        int line;
    } cases[] = {
        {"a\nb = *", "must stand in quotes", 2},
        {"\n\n+", "must stand in quotes", 3},
        {"a | b", "must stand in quotes", 1},
        {"# ok\n// no", "comments begin", 2},
        {"a = b// c\nd = //e", "comments begin", 2},
        {"a = {//e", "comments begin", 1},
        {"x\n/* c */", "comments begin", 2},
        {"a\x01", "control character", 1},
        {"\n'\x7f'", "control character", 2},
        {"\"\x1b\"", "control character", 1},
        {"a\rb", "carriage return", 1},
        {"\n\"abc\n\"", "doesn't end", 2},
        {"'abc\n", "doesn't end", 1},
        {"\n\n\"abc", "doesn't end", 3},
        {"'abc", "doesn't end", 1},
        {"\"abc\\\"", "doesn't end", 1},
        {"\"\\x00\"", "backslash", 1},
        {"\"\\n\"", "backslash", 1},
        {"\"\\\n\"", "backslash", 1},
        {"a = ${HOME}", "not expanded", 1},
        {"a = \"x${HOME}\"", "not expanded", 1},
        {"\na {\n b {\n }\n", "has no '}'", 2},
        {"a { }\nb {\n", "has no '}'", 2},
        {"{ # }", "has no '}'", 1},
        {"\n{ '}' \"}\"", "has no '}'", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        tidy(bytes_str(cases[i].text), NULL, cases[i].wrong, cases[i].line);
    tidy(bytes_str("a = '${HOME}'"), "a = '${HOME}'", NULL, 0);
    tidy(bytes_str("a = \"*|+\" '*|+'"), "a = \"*|+\" '*|+'", NULL, 0);
}

static void no_nul_anywhere(void **state)
{
    static const char *const around[] = {"\nx\n", "\n#x\n", "\n\"x\"", "\n'x'"};

    (void)state;
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        char text[16];
        size_t len = strlen(around[i]);
        memcpy(text, around[i], len);
        *(char *)memchr(text, 'x', len) = '\0';
        tidy(bytes_of(text, len), NULL, "NUL", 2);
    }
}

/* Every cut of a text with all kinds of quoting is either fine or ends inside quotes. */
static void truncations(void **state)
{
    static const char text[] = "# c\nmode = enforce # d\nx = { \"a\\\"b#\", 'c\\'#', 'd\\e' }\n";

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        struct bytes copy = guard_copy(bytes_of(text, len));
        int line;
        const char *wrong = config_text_tidy((char *)(uintptr_t)copy.at, copy.len, &line);
        assert_true(wrong == NULL || strstr(wrong, "doesn't end") != NULL || strstr(wrong, "backslash") != NULL ||
                    strstr(wrong, "has no '}'") != NULL);
        guard_free(copy);
    }
}

static void load_fails(const char *path, enum config_source source, size_t most, const char *wrong)
{
    size_t len;
    const char *why = NULL;

    assert_null(config_load(path, source, most, &len, &why));
    assert_non_null(why);
    assert_non_null(strstr(why, wrong));
}

static void files(void **state)
{
    char dir[] = "/tmp/rcptwall-test-XXXXXX", path[64], fifo[64];
    size_t len = 0;
    const char *why = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
    snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
    load_fails(path, SOURCE_FILE, 100, "No such file");
    load_fails(dir, SOURCE_ANY_STREAM, 100, "is a directory");
    load_fails("/dev/null", SOURCE_ANY_STREAM, 100, "not a regular file");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    load_fails(fifo, SOURCE_FILE, 100, "not a regular file"); /* and doesn't wait for a writer */

    FILE *out = fopen(path, "w");
    assert_non_null(out);
    for (int i = 0; i < 5000; i++)
        fputs("0123456789", out);
    fclose(out);
    char *text = config_load(path, SOURCE_FILE, 50000, &len, &why);
    assert_non_null(text);
    assert_int_equal(len, 50000);
    assert_int_equal(text[49999], '9');
    assert_int_equal(text[50000], '\0');
    free(text);
    load_fails(path, SOURCE_FILE, 49999, "too large");

    /* /proc files say that their size is 0. */
    text = config_load("/proc/self/status", SOURCE_FILE, 100000, &len, &why);
    assert_non_null(text);
    assert_true(len > 100);
    free(text);
    load_fails("/proc/self/status", SOURCE_FILE, 100, "too large");
    unlink(path);
    unlink(fifo);
    rmdir(dir);
}

static void a_pipe(void **state)
{
    int ends[2];
    char path[32];
    size_t len = 0;
    const char *why = NULL;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    assert_int_equal(write(ends[1], "mode = monitor\n", 15), 15);
    close(ends[1]);
    char *text = config_load(path, SOURCE_ANY_STREAM, 100, &len, &why);
    assert_non_null(text);
    assert_string_equal(text, "mode = monitor\n");
    free(text);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_are_blanked),
        cmocka_unit_test(what_the_library_would_pass_over),
        cmocka_unit_test(no_nul_anywhere),
        cmocka_unit_test(truncations),
        cmocka_unit_test(files),
        cmocka_unit_test(a_pipe),
    };

    return cmocka_run_group_tests_name("config_text", tests, NULL, NULL);
}
