/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_support - what the tests of the configuration share. Each test program includes it once. */
#ifndef RCPTWALL_TESTS_CONFIG_SUPPORT_H
#define RCPTWALL_TESTS_CONFIG_SUPPORT_H

#include "kmod-free/tests/support.h"
#include "rules/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Reads a text that ends at a guard page. Messages call it dir/test.conf. */
static inline bool read_bytes(struct config *c, struct bytes text, char *error, size_t room)
{
    struct bytes copy = guard_copy(text);
    bool good = config_read_text(c, "dir/test.conf", (char *)(uintptr_t)copy.at, copy.len, error, room);

    guard_free(copy);
    return good;
}

static inline void read_good(struct config *c, const char *text)
{
    char error[512] = "";

    if (!read_bytes(c, bytes_str(text), error, sizeof(error)))
        fail_msg("refused: %s", error);
    assert_string_equal(error, "");
}

/* expected is all of the message. */
static inline void refused(const char *text, const char *expected)
{
    struct config c;
    char error[512] = "";

    if (read_bytes(&c, bytes_str(text), error, sizeof(error)))
        fail_msg("accepted: %s", text);
    assert_string_equal(error, expected);
    assert_null(c.policy);
    config_free(&c);
}

static inline void same_settings(const struct config *a, const struct config *b)
{
    assert_int_equal(a->policy->enforce, b->policy->enforce);
    assert_int_equal(a->policy->outside, b->policy->outside);
    assert_memory_equal(a->policy->tags, b->policy->tags, sizeof(a->policy->tags));
    assert_int_equal(a->on_failure, b->on_failure);
    assert_int_equal(a->hooks, b->hooks);
    assert_int_equal(a->queue_first, b->queue_first);
    assert_int_equal(a->queue_last, b->queue_last);
    assert_int_equal(a->queue_maxlen, b->queue_maxlen);
    assert_memory_equal(&a->marks, &b->marks, sizeof(a->marks));
    assert_int_equal(a->engine.max_flows, b->engine.max_flows);
    assert_int_equal(a->engine.stream_blocks, b->engine.stream_blocks);
    assert_int_equal(a->engine.stream_block_limit, b->engine.stream_block_limit);
    assert_int_equal(a->engine.smtp.line_max, b->engine.smtp.line_max);
    assert_int_equal(a->engine.idle_ns, b->engine.idle_ns);
    assert_int_equal(a->engine.handshake_ns, b->engine.handshake_ns);
    assert_int_equal(a->engine.closed_ns, b->engine.closed_ns);
    assert_int_equal(a->engine.port_count, b->engine.port_count);
    assert_memory_equal(a->engine.ports, b->engine.ports, sizeof(a->engine.ports));
    assert_int_equal(a->syslog_facility, b->syslog_facility);
    assert_int_equal(a->syslog_level, b->syslog_level);
    assert_int_equal(a->alert_interval_ns, b->alert_interval_ns);
    assert_int_equal(a->log_rcpt, b->log_rcpt);
    assert_int_equal(a->dnsbl.wait_ns, b->dnsbl.wait_ns);
    assert_int_equal(a->dnsbl.cache_entries, b->dnsbl.cache_entries);
    assert_int_equal(a->dnsbl.ttl_least_ns, b->dnsbl.ttl_least_ns);
    assert_int_equal(a->dnsbl.ttl_most_ns, b->dnsbl.ttl_most_ns);
}

#endif
