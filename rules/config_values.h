/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_values - how values are written in the configuration: numbers, sizes,
 * durations, masks. Pure functions of a text. Each returns true and sets *out, or
 * false (not such a value, or too large for its type) and leaves *out alone.
 */
#ifndef RCPTWALL_CONFIG_VALUES_H
#define RCPTWALL_CONFIG_VALUES_H

#include "kmod-free/bytes.h"

/* Decimal digits and nothing else: no sign, no blank, no unit. */
RW_CHECK bool config_count(const char *text, uint64_t *out);
/* Bytes: "4096", "64k", "1M", "2G"; units are powers of 1024. */
RW_CHECK bool config_size(const char *text, uint64_t *bytes);
/* "500ms", "60s", "5min", "2h", "1d". The unit is not optional, except that "0" is nothing in every unit. */
RW_CHECK bool config_duration(const char *text, int64_t *ns);
/* "0x07f00000": hexadecimal, at most 32 bits. */
RW_CHECK bool config_mask(const char *text, uint32_t *out);
/* "yes", "no" ("true", "on", "false", "off"). */
RW_CHECK bool config_flag(const char *text, bool *out);
/* "3" is 3 and 3, "0:3" is 0 and 3. first may be larger than last: the caller says so better. */
RW_CHECK bool config_range(const char *text, uint16_t *first, uint16_t *last);

#endif
