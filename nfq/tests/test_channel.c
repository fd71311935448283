/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "kmod-free/tests/support.h"
#include "nfq/channel.h"
#include "nfq/counters.h"

#define BODY_AT offsetof(struct message, is)

static struct message got;

static struct event some_event(void)
{
    struct event ev;
    event_clear(&ev);
    ev.kind = EVENT_ALERT;
    ev.client = support_endpoint("198.51.100.2", 40112);
    ev.server = support_endpoint("192.0.2.25", 25);
    event_put(&ev, &ev.helo, bytes_str("x.example"), EVENT_HELO_MAX);
    event_put(&ev, &ev.rcpt_to, bytes_str("u@ext.example"), EVENT_RCPT_MAX);
    return ev;
}

static struct close_request some_request(void)
{
    return (struct close_request){.from = support_endpoint("192.0.2.25", 25),
                                  .to = support_endpoint("198.51.100.2", 40112),
                                  .numbers = {.seq = {1}, .ack = {2}}};
}

static void messages_arrive_whole_and_in_order(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(channel_pair(ends), 0);
    struct channel c = {.fd = ends[1]};
    assert_int_equal(channel_receive(ends[0], &got), 0);
    struct event ev = some_event();
    struct close_request request = some_request();
    struct worker_report report = {.why = REPORT_FINAL, .worker.packets = 5};
    assert_true(channel_send_event(&c, &ev));
    assert_true(channel_send(&c, MESSAGE_CLOSE, &request, sizeof request));
    assert_true(channel_send(&c, MESSAGE_REPORT, &report, sizeof report));
    assert_true(channel_send(&c, MESSAGE_READY, NULL, 0));
    assert_true(channel_send_note(&c, NOTE_CUT));
    assert_true(channel_send_text(&c, LOG_WARNING, "hello"));

    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_int_equal(got.kind, MESSAGE_EVENT);
    assert_memory_equal(&got.is.event, &ev, event_size(&ev));
    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_int_equal(got.kind, MESSAGE_CLOSE);
    assert_true(endpoint_equal(&got.is.close.to, &request.to));
    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_int_equal(got.kind, MESSAGE_REPORT);
    assert_int_equal(got.is.report.worker.packets, 5);
    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_int_equal(got.kind, MESSAGE_READY);
    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_int_equal(got.is.note.note, NOTE_CUT);
    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_string_equal(got.is.text.line, "hello");
    assert_int_equal(got.is.text.priority, LOG_WARNING);
    assert_int_equal(channel_receive(ends[0], &got), 0);
    close(ends[1]);
    assert_int_equal(channel_receive(ends[0], &got), -EPIPE);
    close(ends[0]);
}

/* Both ends send, and a file descriptor comes along once and only where it is asked for. */
static void descriptors_and_the_way_back(void **state)
{
    (void)state;
    int ends[2], pipe_[2], fd;
    char byte = 0;
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(pipe(pipe_), 0);
    struct channel c = {.fd = ends[0]};
    const struct policy_order order = {.generation = 7, .size = 5, .enforce = true};
    const struct reporter_settings settings = {.facility = LOG_MAIL};
    assert_true(channel_send_fd(&c, MESSAGE_POLICY, &order, sizeof order, pipe_[0]));
    assert_true(channel_send_fd(&c, MESSAGE_SETTINGS, &settings, sizeof settings, -1));
    assert_true(channel_send_fd(&c, MESSAGE_POLICY, &order, sizeof order - 1, pipe_[0]));
    assert_true(channel_send_fd(&c, MESSAGE_POLICY, &order, sizeof order, pipe_[0]));
    close(pipe_[0]);
    assert_int_equal(channel_receive_fd(ends[1], &got, &fd), 1);
    assert_int_equal(got.kind, MESSAGE_POLICY);
    assert_int_equal(got.is.policy.generation, 7);
    assert_true(fd >= 0);
    assert_int_equal(write(pipe_[1], "x", 1), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(fd);
    assert_int_equal(channel_receive_fd(ends[1], &got, &fd), 1);
    assert_int_equal(got.kind, MESSAGE_SETTINGS);
    assert_int_equal(fd, -1);
    assert_int_equal(channel_receive_fd(ends[1], &got, &fd), -EBADMSG); /* and its descriptor is closed */
    assert_int_equal(fd, -1);
    assert_int_equal(channel_receive(ends[1], &got), 1); /* here nobody wants one: it is closed, too */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    assert_int_equal(write(pipe_[1], "x", 1), -1); /* nobody holds the other end any more */
    close(pipe_[1]);
    close(ends[0]);
    close(ends[1]);
}

static void texts_of_a_summary_end(void **state)
{
    (void)state;
    int ends[2];
    static struct status_summary summary;
    assert_int_equal(channel_pair(ends), 0);
    struct channel c = {.fd = ends[1]};
    assert_true(channel_send(&c, MESSAGE_SUMMARY, &summary, sizeof summary));
    assert_int_equal(channel_receive(ends[0], &got), 1);
    memset(summary.refused, 'x', sizeof summary.refused);
    assert_true(channel_send(&c, MESSAGE_SUMMARY, &summary, sizeof summary));
    assert_int_equal(channel_receive(ends[0], &got), -EBADMSG);
    struct worker_report report = {.why = REPORT_FINAL + 1};
    assert_true(channel_send(&c, MESSAGE_REPORT, &report, sizeof report));
    assert_int_equal(channel_receive(ends[0], &got), -EBADMSG);
    close(ends[0]);
    close(ends[1]);
}

static void a_full_channel_loses_counts_and_says_so(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(channel_pair(ends), 0);
    struct channel c = {.fd = ends[1]};
    struct event ev = some_event();
    unsigned sent = 0, seen = 0;
    while (channel_send_event(&c, &ev))
        sent++;
    assert_true(sent > 10);
    for (int i = 0; i < 4; i++)
        assert_false(channel_send_event(&c, &ev));
    assert_int_equal(c.lost, 5);
    while (channel_receive(ends[0], &got) == 1) {
        assert_int_equal(got.lost, 0);
        seen++;
    }
    assert_int_equal(seen, sent);
    assert_true(channel_send_event(&c, &ev));
    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_int_equal(got.lost, 5);
    assert_int_equal(c.lost, 0);
    assert_int_equal(c.lost_total, 5);
    close(ends[0]);
    assert_false(channel_send_event(&c, &ev)); /* and no SIGPIPE */
    close(ends[1]);
}

static void patience_ends(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(channel_pair(ends), 0);
    struct channel c = {.fd = ends[1]};
    struct event ev = some_event();
    while (channel_send_event(&c, &ev))
        ;
    c.patience_ns = 20 * NS_PER_MS;
    assert_false(channel_send_event(&c, &ev));
    assert_true(c.patience_ns <= 0);
    assert_false(channel_send_event(&c, &ev));
    close(ends[0]);
    close(ends[1]);
}

/* Sends raw bytes as one message and tells what the receiver makes of them. */
static int receive_raw(const void *raw, size_t len)
{
    int ends[2];
    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(send(ends[1], raw, len, 0), (ssize_t)len);
    int r = channel_receive(ends[0], &got);
    close(ends[0]);
    close(ends[1]);
    return r;
}

static void nothing_is_believed_that_is_not_exactly_right(void **state)
{
    (void)state;
    const struct {
        enum message_kind kind;
        size_t len;
    } fixed[] = {
        {MESSAGE_READY, 0},
        {MESSAGE_CLOSE, sizeof(struct close_request)},
        {MESSAGE_REPORT, sizeof(struct worker_report)},
        {MESSAGE_RELOADED, sizeof(uint32_t)},
        {MESSAGE_POLICY, sizeof(struct policy_order)},
        {MESSAGE_SETTINGS, sizeof(struct reporter_settings)},
        {MESSAGE_LOSSES, sizeof(struct reporter_losses)},
        {MESSAGE_SUMMARY, sizeof(struct status_summary)},
        {MESSAGE_QUEUE, sizeof(struct status_queue)},
    };
    static struct message m;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        m = (struct message){.kind = fixed[i].kind};
        if (fixed[i].kind == MESSAGE_REPORT)
            m.is.report.why = REPORT_BEAT;
        for (size_t len = 1; len <= BODY_AT + fixed[i].len + 8; len++)
            assert_int_equal(receive_raw(&m, len), len == BODY_AT + fixed[i].len ? 1 : -EBADMSG);
    }
    for (uint32_t note = 0; note < 10; note++) {
        m = (struct message){.kind = MESSAGE_NOTE, .is.note.note = note};
        assert_int_equal(receive_raw(&m, BODY_AT + 4), note >= 1 && note <= NOTE_LAST ? 1 : -EBADMSG);
        assert_int_equal(receive_raw(&m, BODY_AT + 3), -EBADMSG);
    }
    for (uint32_t kind = 0; kind < 300; kind++) {
        m = (struct message){.kind = kind};
        if (kind < MESSAGE_EVENT || kind > MESSAGE_QUEUE)
            assert_int_equal(receive_raw(&m, BODY_AT + 4), -EBADMSG);
    }
    m = (struct message){.kind = MESSAGE_TEXT, .is.text.line = "ab"};
    size_t whole = BODY_AT + sizeof m.is.text.priority + 3;
    assert_int_equal(receive_raw(&m, whole), 1);
    assert_int_equal(receive_raw(&m, whole - 1), -EBADMSG); /* no NUL */
    assert_int_equal(receive_raw(&m, BODY_AT + sizeof m.is.text.priority), -EBADMSG);
    /* longer than any message */
    static uint8_t big[sizeof(struct message) + 100];
    m = (struct message){.kind = MESSAGE_READY};
    memcpy(big, &m, BODY_AT);
    assert_int_equal(receive_raw(big, sizeof big), -EBADMSG);
}

static void events_are_checked_too(void **state)
{
    (void)state;
    static struct message m;
    struct event ev = some_event();
    m = (struct message){.kind = MESSAGE_EVENT};
    memcpy(&m.is.event, &ev, event_size(&ev));
    size_t len = BODY_AT + event_size(&m.is.event);
    assert_int_equal(receive_raw(&m, len), 1);
    assert_int_equal(receive_raw(&m, len - 1), -EBADMSG);
    assert_int_equal(receive_raw(&m, len + 1), -EBADMSG);
    m.is.event.helo.at = 30000;
    assert_int_equal(receive_raw(&m, len), -EBADMSG);
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    int ends[2];
    char line[2 * MESSAGE_TEXT_MAX];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    assert_int_equal(channel_pair(ends), 0);
    struct channel c = {.fd = ends[1]};
    assert_true(channel_send_text(&c, LOG_ERR, line));
    assert_int_equal(channel_receive(ends[0], &got), 1);
    assert_int_equal(strlen(got.is.text.line), MESSAGE_TEXT_MAX - 1);
    close(ends[0]);
    close(ends[1]);
}

static void only_smtp_connections_are_closed(void **state)
{
    (void)state;
    const uint16_t ports[] = {25, 587};
    struct close_request r = some_request();
    assert_true(close_request_valid(&r, ports, 2));
    struct endpoint swapped = r.from;
    r.from = r.to;
    r.to = swapped;
    assert_true(close_request_valid(&r, ports, 2));
    assert_false(close_request_valid(&r, ports, 0));
    r.to.port = 22;
    assert_false(close_request_valid(&r, ports, 2));
    r.to.port = 587;
    assert_true(close_request_valid(&r, ports, 2));
    r.from.port = 0;
    assert_false(close_request_valid(&r, ports, 2));
    r = some_request();
    r.from.addr.family = 6; /* one of each */
    assert_false(close_request_valid(&r, ports, 2));
    r.to.addr.family = 6;
    assert_true(close_request_valid(&r, ports, 2));
    r.from.addr.family = r.to.addr.family = 5;
    assert_false(close_request_valid(&r, ports, 2));
}

static void counters_become_one_line_of_whole_pairs(void **state)
{
    (void)state;
    char line[4096];
    struct worker_report report;
    const struct queue_listing listing = {.waiting = 1, .full_drops = 2, .buffer_drops = 3};
    memset(&report, 0xff, sizeof report); /* the longest that it can be */
    size_t len = counters_to_line(65535, &report, &listing, line, sizeof line);
    assert_int_equal(strlen(line), len);
    assert_true(len < sizeof line - 100);
    assert_null(strchr(line, '\n'));
    assert_non_null(strstr(line, "queue=65535 packets=18446744073709551615 "));
    assert_non_null(strstr(line, " kernel_buffer_drops=3 "));
    assert_non_null(strstr(line, " alerts_condemned=18446744073709551615"));
    for (size_t room = 1; room <= len; room++) {
        struct bytes guard = bytes_of(guard_room(room), room);
        size_t n = counters_to_line(65535, &report, &listing, (char *)(uintptr_t)guard.at, room);
        assert_int_equal(strlen((const char *)guard.at), n);
        assert_memory_equal(guard.at, line, n);
        assert_true(n == 0 || line[n] == ' ' || line[n] == '\0'); /* no half pair */
        guard_room_free((uint8_t *)(uintptr_t)guard.at, room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_whole_and_in_order),
        cmocka_unit_test(descriptors_and_the_way_back),
        cmocka_unit_test(texts_of_a_summary_end),
        cmocka_unit_test(a_full_channel_loses_counts_and_says_so),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(nothing_is_believed_that_is_not_exactly_right),
        cmocka_unit_test(events_are_checked_too),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(only_smtp_connections_are_closed),
        cmocka_unit_test(counters_become_one_line_of_whole_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
