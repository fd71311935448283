/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reload: what is laid out at the start stays, and is named; all else changes. */
#include "rules/tests/config_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include <cmocka.h>

#define ALL_FIXED                                                                                                      \
    "queues,queue-length,mark-mask,ports,control-socket,control-group,user,limits.flows,limits.memory,"                \
    "limits.stream-memory,limits.line-length,limits.idle-timeout,limits.handshake-timeout,limits.closed-timeout"

static const char fixed[] = "queues = 1:2\nqueue-length = 99\nmark-mask = 0x7f\nports = { 25, 587 }\n"
                            "control-socket = /run/x\ncontrol-group = adm\nuser = nobody\n"
                            "limits { flows = 100\nmemory = 8M\nstream-memory = 1M\nline-length = 2000\n"
                            "idle-timeout = 20s\nhandshake-timeout = 5s\nclosed-timeout = 6s }\n";
static const char loose[] = "mode = enforce\non-failure = open\nlocal-domains = { \"a.example\" }\nservers = { 192.0.2.1 }\n"
                            "event-file = /tmp/x\nlog-rcpt = yes\nsyslog { facility = local1\nlevel = err\ninterval = 7s }\n"
                            "tag outside { external-rcpt = drop }\n";

static void fixed_keys_stay_and_are_named(void **state)
{
    struct config running, fresh;
    char names[512];

    (void)state;
    read_good(&running, "");
    read_good(&fresh, fixed);
    config_keep_fixed(&fresh, &running, names, sizeof names);
    assert_string_equal(names, ALL_FIXED);
    same_settings(&fresh, &running);
    assert_null(fresh.user);
    assert_null(fresh.control_socket);
    config_free(&fresh);

    read_good(&fresh, fixed); /* and the other way round: texts are copied */
    config_keep_fixed(&running, &fresh, names, sizeof names);
    assert_string_equal(names, ALL_FIXED);
    assert_string_equal(running.user, "nobody");
    config_free(&fresh);
    assert_string_equal(running.control_socket, "/run/x");
    read_good(&fresh, fixed);
    config_keep_fixed(&fresh, &running, names, sizeof names);
    assert_string_equal(names, "");
    config_free(&fresh);
    config_free(&running);
}

static void other_keys_change(void **state)
{
    struct config running, fresh, again;
    char names[512];

    (void)state;
    read_good(&running, "");
    read_good(&fresh, loose);
    read_good(&again, loose);
    config_keep_fixed(&fresh, &running, names, sizeof names);
    assert_string_equal(names, "");
    same_settings(&fresh, &again);
    assert_true(fresh.policy->enforce);
    assert_int_equal(fresh.on_failure, FAIL_OPEN);
    assert_int_equal(fresh.syslog_facility, LOG_LOCAL1);
    assert_string_equal(fresh.event_file, "/tmp/x");
    assert_int_equal(fresh.server_count, 1);
    config_free(&again);
    config_free(&fresh);
    config_free(&running);
}

/* As many names as fit, none of them cut. */
static void names_in_a_small_room(void **state)
{
    struct config running, fresh;
    char names[sizeof ALL_FIXED];

    (void)state;
    read_good(&running, "");
    for (size_t room = 1; room <= sizeof names; room++) {
        read_good(&fresh, fixed);
        config_keep_fixed(&fresh, &running, names, room);
        size_t len = strlen(names);
        assert_true(len < room);
        for (const char *at = names; *at != '\0'; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
            char whole[64];
            snprintf(whole, sizeof whole, ",%.*s,", (int)strcspn(at, ","), at);
            assert_non_null(strstr("," ALL_FIXED ",", whole));
        }
        config_free(&fresh);
    }
    assert_string_equal(names, ALL_FIXED);
    config_free(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_keys_stay_and_are_named),
        cmocka_unit_test(other_keys_change),
        cmocka_unit_test(names_in_a_small_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
