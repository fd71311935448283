// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmod-free/report/escape.h"

struct writer {
    char *out;
    size_t len, room; /* room for the NUL included */
    bool cut;
};

/* All of the n characters or none. */
static bool put(struct writer *w, const void *text, size_t n)
{
    if (w->cut || w->room - w->len <= n) {
        w->cut = true;
        return false;
    }
    memcpy(w->out + w->len, text, n);
    w->len += n;
    return true;
}

static bool put_hex(struct writer *w, uint8_t c)
{
    static const char digit[] = "0123456789abcdef";
    char text[4] = {'\\', 'x', digit[c >> 4], digit[c & 15]};
    return put(w, text, sizeof text);
}

static size_t finish(struct writer *w, bool *cut)
{
    w->out[w->len] = '\0';
    if (cut)
        *cut = w->cut;
    return w->len;
}

static bool put_ascii(struct writer *w, uint8_t c, bool quotes)
{
    char pair[2] = {'\\', (char)c};

    if (c == '\\' || (c == '"' && quotes))
        return put(w, pair, 2);
    if (c < 0x20 || c > 0x7e)
        return put_hex(w, c);
    return put(w, &c, 1);
}

static size_t escape_ascii(struct bytes b, bool quotes, char *out, size_t room, bool *cut)
{
    struct writer w = {.out = out, .room = room};

    for (size_t i = 0; i < b.len && !w.cut; i++)
        (void)put_ascii(&w, b.at[i], quotes);
    return finish(&w, cut);
}

size_t escape_quoted(struct bytes b, char *out, size_t room, bool *cut)
{
    return escape_ascii(b, true, out, room, cut);
}

size_t escape_plain(struct bytes b, char *out, size_t room, bool *cut)
{
    return escape_ascii(b, false, out, room, cut);
}

size_t escape_word(struct bytes b, char *out, size_t room, bool *cut)
{
    struct writer w = {.out = out, .room = room};

    for (size_t i = 0; i < b.len && !w.cut; i++) {
        uint8_t c = b.at[i];
        bool plain = (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-._:[]", c) != NULL);
        if (plain)
            (void)put(&w, &c, 1);
        else
            (void)put_hex(&w, c);
    }
    return finish(&w, cut);
}

/*
 * Length of the well-formed UTF-8 sequence at the front of b (RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF), 0 if there is none; *code is its character.
 */
static size_t utf8_take(struct bytes b, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = b.at[0];
    size_t len = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    uint32_t value = len == 1 ? first : first & (0x7fu >> len);

    if (len == 0 || b.len < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (b.at[i] >> 6 != 2)
            return 0;
        value = value << 6 | (b.at[i] & 0x3fu);
    }
    if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return len;
}

/* Characters that don't show, or change how others show: categories Cc, Cf, Zl, Zp, and noncharacters. */
static bool utf8_hidden(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0x0000, 0x001f},   {0x007f, 0x009f},    {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x0600, 0x0605},
        {0x061c, 0x061c},   {0x06dd, 0x06dd},    {0x070f, 0x070f},   {0x0890, 0x0891},   {0x08e2, 0x08e2},
        {0x115f, 0x1160},   {0x180b, 0x180f},    {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
        {0x3164, 0x3164},   {0xe000, 0xf8ff},    {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
        {0xffa0, 0xffa0},   {0xfff0, 0xfffb},    {0x110bd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
        {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff}, /* tags, variation selectors, private use */
    };

    if ((code & 0xfffe) == 0xfffe)
        return true;
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (code >= hidden[i].first && code <= hidden[i].last)
            return true;
    return false;
}

size_t escape_utf8(struct bytes b, char *out, size_t room, bool *cut)
{
    struct writer w = {.out = out, .room = room};

    while (b.len > 0 && !w.cut) {
        uint32_t code = 0;
        size_t len = utf8_take(b, &code);

        if (len == 0 || utf8_hidden(code)) {
            /* The bytes of a hidden character go one by one: none of the later ones begins a valid sequence. */
            (void)put_hex(&w, b.at[0]);
            len = 1;
        } else if (code == '\\') {
            (void)put(&w, "\\\\", 2);
        } else {
            (void)put(&w, b.at, len);
        }
        b = bytes_from(b, len);
    }
    return finish(&w, cut);
}
