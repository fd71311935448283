/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/config_values.h"

#include "kmod-free/clock.h"

#include <strings.h>

/* Digits at the front of text; *rest is what follows them. false: none, or more than 64 bits hold. */
static bool leading_digits(const char *text, uint64_t *out, const char **rest)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *rest = at;
    *out = value;
    return at != text;
}

bool config_count(const char *text, uint64_t *out)
{
    uint64_t value;
    const char *rest;

    if (!leading_digits(text, &value, &rest) || *rest != '\0')
        return false;
    *out = value;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* A number with one of the units (NULL ends them), at most `most`. */
static bool number_with_unit(const char *text, const struct unit *units, uint64_t most, uint64_t *out)
{
    uint64_t value;
    const char *rest;

    if (!leading_digits(text, &value, &rest))
        return false;
    for (; units->name != NULL; units++) {
        if (strcmp(rest, units->name) != 0)
            continue;
        if (value > most / units->factor)
            return false;
        *out = value * units->factor;
        return true;
    }
    return false;
}

bool config_size(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1}, {"k", 1024}, {"M", UINT64_C(1) << 20}, {"G", UINT64_C(1) << 30}, {NULL, 0},
    };

    return number_with_unit(text, units, UINT64_MAX, bytes);
}

bool config_duration(const char *text, int64_t *ns)
{
    static const struct unit units[] = {
        {"ms", (uint64_t)NS_PER_MS},      {"s", (uint64_t)NS_PER_S},         {"min", 60 * (uint64_t)NS_PER_S},
        {"h", 3600 * (uint64_t)NS_PER_S}, {"d", 86400 * (uint64_t)NS_PER_S}, {NULL, 0},
    };
    uint64_t value;

    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return true;
    }
    if (!number_with_unit(text, units, INT64_MAX, &value))
        return false;
    *ns = (int64_t)value;
    return true;
}

static bool hex_digit(char c, uint32_t *out)
{
    if (c >= '0' && c <= '9')
        *out = (uint32_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *out = (uint32_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
        *out = (uint32_t)(c - 'A' + 10);
    else
        return false;
    return true;
}

bool config_mask(const char *text, uint32_t *out)
{
    uint32_t value = 0, digit;
    const char *at = text + 2;

    if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X') || *at == '\0')
        return false;
    for (; hex_digit(*at, &digit); at++) {
        if (value > UINT32_MAX >> 4)
            return false;
        value = value << 4 | digit;
    }
    if (*at != '\0')
        return false;
    *out = value;
    return true;
}

bool config_flag(const char *text, bool *out)
{
    static const char *const yes[] = {"yes", "true", "on"};
    static const char *const no[] = {"no", "false", "off"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

bool config_range(const char *text, uint16_t *first, uint16_t *last)
{
    uint64_t low, high;
    const char *rest;

    if (!leading_digits(text, &low, &rest))
        return false;
    high = low;
    if (*rest == ':' && !leading_digits(rest + 1, &high, &rest))
        return false;
    if (*rest != '\0' || low > UINT16_MAX || high > UINT16_MAX)
        return false;
    *first = (uint16_t)low;
    *last = (uint16_t)high;
    return true;
}
