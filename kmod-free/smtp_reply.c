/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/smtp_reply.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

void smtp_reply_read(struct bytes line, struct smtp_reply_line *out)
{
    *out = (struct smtp_reply_line){.text = line};
    if (line.len < 3 || !is_digit(line.at[0]) || !is_digit(line.at[1]) || !is_digit(line.at[2]))
        return;
    if (line.len > 3 && is_digit(line.at[3]))
        return; /* a longer number is no code */
    uint16_t code = (uint16_t)((line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0'));
    if (code == 0 || code >= 600)
        return;
    out->code = code;
    out->more = line.len > 3 && line.at[3] == '-';
    out->text = bytes_from(line, 4);
}

uint8_t smtp_reply_keyword(struct bytes text)
{
    static const struct {
        const char *name;
        uint8_t bit;
    } KNOWN[] = {
        {"CHUNKING", SMTP_KEYWORD_CHUNKING},
        {"STARTTLS", SMTP_KEYWORD_STARTTLS},
        {"AUTH", SMTP_KEYWORD_AUTH}, /* "AUTH LOGIN" and the old "AUTH=LOGIN" */
    };
    for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++) {
        struct bytes name = bytes_str(KNOWN[i].name);
        if (!bytes_begin_nocase(text, name))
            continue;
        struct bytes rest = bytes_from(text, name.len);
        if (rest.len == 0 || rest.at[0] == ' ' || rest.at[0] == '=' || rest.at[0] == '\r' || rest.at[0] == '\n')
            return KNOWN[i].bit;
    }
    return 0;
}

#define SIGNATURE_MAX 5

enum smtp_foreign smtp_reply_foreign(struct bytes first)
{
    static const char *const OTHERS[] = {"SSH-", "+OK", "-ERR", "* OK", "* BYE", "* PRE", "RFB "};
    /* a TLS record: alert or handshake, version 3.x */
    if (first.len >= 2 && (first.at[0] == 0x15 || first.at[0] == 0x16) && first.at[1] == 3)
        return SMTP_FOREIGN_YES;
    if (bytes_begin_nocase(first, bytes_str("HTTP/")))
        return SMTP_FOREIGN_HTTP;
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
        if (bytes_begin_nocase(first, bytes_str(OTHERS[i])))
            return SMTP_FOREIGN_YES;
    bool ended = first.len > 0 && memchr(first.at, '\n', first.len) != NULL;
    return first.len < SIGNATURE_MAX && !ended ? SMTP_FOREIGN_TOO_SHORT : SMTP_FOREIGN_NO;
}
