/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SIGHUP: the configuration again, into a daemon that runs. */
#include "nfq/supervisor_internal.h"

#include "kmod-free/policy_pack.h"
#include "nfq/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

/* A worker answers within milliseconds; one that hasn't by then is short of memory. */
#define TAKE_OVER_NS (3 * NS_PER_S)

static void refuse(struct supervisor *s, const char *why)
{
    s->status.reloads_refused++;
    snprintf(s->status.refused, sizeof s->status.refused, "%s", why);
    supervisor_say(s, LOG_ERR, "reload refused, the old configuration stays in force: %s", why);
}

/* The policy's bytes in memory that can be handed over. -1: none to be had. */
static int packed_policy(const struct policy *p, size_t size)
{
    uint8_t *at = malloc(size);
    int fd = at != NULL ? memfd_create("rcptwall policy", MFD_CLOEXEC) : -1;
    size_t put = 0;
    ssize_t n = 1;
    if (fd >= 0)
        policy_pack(p, at);
    while (fd >= 0 && put < size && (n = write(fd, at + put, size - put)) > 0)
        put += (size_t)n;
    free(at);
    if (fd >= 0 && put < size)
        supervisor_close(&fd);
    return fd;
}

static void order_workers(struct supervisor *s, int fd, size_t size)
{
    const struct config *c = s->config;
    const struct policy_order order = {
        .generation = s->generation,
        .size = (uint32_t)size,
        .enforce = c->policy->enforce,
        .fail_open = c->on_failure == FAIL_OPEN,
        .want_rcpt_events = c->log_rcpt,
        .want_session_events = c->event_file != NULL,
    };
    for (size_t i = 0; i < s->count; i++) {
        struct channel to = {.fd = s->slots[i].control};
        if (s->slots[i].pid <= 0)
            continue; /* the next one starts with it */
        if (channel_send_fd(&to, MESSAGE_POLICY, &order, sizeof order, fd))
            kill(s->slots[i].pid, SIGHUP);
    }
}

/* The new event file: opened before anything changes, so that a bad one is a bad reload. */
static bool open_events(struct supervisor *s, const struct config *fresh, int *fd)
{
    char why[STATUS_TEXT_MAX];
    *fd = -1;
    if (fresh->event_file == NULL)
        return true;
    *fd = supervisor_open_events(fresh->event_file);
    if (*fd >= 0)
        return true;
    snprintf(why, sizeof why, "event-file %s: %s", fresh->event_file, strerror(errno));
    refuse(s, why);
    return false;
}

static void tell_reporter(struct supervisor *s)
{
    const struct config *c = s->config;
    const struct reporter_settings settings = {
        .facility = c->syslog_facility, .alert_level = c->syslog_level, .interval_ns = c->alert_interval_ns};
    if (!channel_send_fd(&s->text, MESSAGE_SETTINGS, &settings, sizeof settings, s->event_file))
        supervisor_say(s, LOG_ERR, "the reporter is too busy to take its new settings; reload again");
}

static void put_in_force(struct supervisor *s, struct config *fresh, int policy, size_t size, int event_file)
{
    config_keep_fixed(fresh, s->config, s->status.needs_restart, sizeof s->status.needs_restart);
    config_free(s->config);
    *s->config = *fresh;
    *fresh = (struct config){0};
    supervisor_close(&s->event_file);
    s->event_file = event_file;
    s->generation++;
    s->status.reloads++;
    s->status.refused[0] = '\0';
    s->reload_untold = true;
    s->reload_at = supervisor_now();
    order_workers(s, policy, size);
    tell_reporter(s);
    if (s->status.needs_restart[0] != '\0')
        supervisor_say(s, LOG_WARNING, "a reload can't change these, a restart can: %s", s->status.needs_restart);
    supervisor_reloaded(s, NULL, 0); /* perhaps no worker runs right now */
}

void supervisor_reload(struct supervisor *s)
{
    struct config fresh;
    char error[STATUS_TEXT_MAX], now[64];
    int event_file;
    if (s->stopping || !s->started)
        return;
    snprintf(now, sizeof now, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(supervisor_now().ns / 1000));
    notify_send(now);
    if (!s->setup->read(s->setup->read_ctx, &fresh, error, sizeof error)) {
        refuse(s, error);
    } else if (open_events(s, &fresh, &event_file)) {
        size_t size = policy_packed(fresh.policy);
        int policy = size <= UINT32_MAX ? packed_policy(fresh.policy, size) : -1;
        if (policy >= 0) {
            put_in_force(s, &fresh, policy, size, event_file);
        } else {
            supervisor_close(&event_file);
            refuse(s, "out of memory");
        }
        supervisor_close(&policy);
        config_free(&fresh);
    } else {
        config_free(&fresh);
    }
    notify_send("READY=1");
}

void supervisor_reloaded(struct supervisor *s, struct slot *slot, uint32_t generation)
{
    const struct config *c = s->config;
    if (slot != NULL)
        slot->judges_by = generation;
    for (size_t i = 0; i < s->count; i++)
        if (s->slots[i].pid > 0 && s->slots[i].judges_by != s->generation)
            return;
    if (!s->reload_untold)
        return;
    s->reload_untold = false;
    supervisor_say(s, LOG_NOTICE, "reloaded mode=%s on-failure=%s", c->policy->enforce ? "enforce" : "monitor",
                   c->on_failure == FAIL_OPEN ? "open" : "closed");
}

void supervisor_reload_overdue(struct supervisor *s, struct mono now)
{
    if (!s->reload_untold || mono_before(now, mono_add(s->reload_at, TAKE_OVER_NS)))
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->pid <= 0 || slot->judges_by == s->generation)
            continue;
        supervisor_say(s, LOG_ERR, "queue %u: its worker doesn't take the new configuration; ending it", slot->queue);
        kill(slot->pid, SIGKILL);
    }
    s->reload_at = now;
    supervisor_reloaded(s, NULL, 0);
}
