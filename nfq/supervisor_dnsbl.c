/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's child that asks DNS blocklists. */
#include "nfq/supervisor_internal.h"

#include "nfq/dnsbl_service.h"

#include <stdio.h>
#include <unistd.h>

bool supervisor_dnsbl_begin(struct supervisor *s)
{
    if (s->config->dnsbl.zone_count == 0)
        return true;
    if (channel_pair(s->asks) < 0 || channel_pair(s->zones) < 0)
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (channel_pair(s->slots[i].answers) < 0)
            return false;
    return true;
}

void supervisor_dnsbl_forget(struct supervisor *s)
{
    supervisor_close(&s->asks[0]);
    supervisor_close(&s->asks[1]);
    supervisor_close(&s->zones[0]);
    supervisor_close(&s->zones[1]);
    for (size_t i = 0; i < s->count; i++) {
        supervisor_close(&s->slots[i].answers[0]);
        supervisor_close(&s->slots[i].answers[1]);
    }
}

bool supervisor_start_asker(struct supervisor *s)
{
    int answers[SUPERVISOR_QUEUES_MAX], texts;
    if (s->asks[0] < 0)
        return true;
    fflush(NULL);
    s->asker.started = supervisor_now();
    s->asker.pid = fork();
    if (s->asker.pid != 0)
        return s->asker.pid > 0;
    for (size_t i = 0; i < s->count; i++) {
        supervisor_close(&s->slots[i].answers[0]);
        answers[i] = s->slots[i].answers[1];
    }
    supervisor_close(&s->asks[1]);
    supervisor_close(&s->zones[0]);
    texts = s->texts[1];
    s->texts[1] = -1;
    supervisor_forget(s);
    offender_table_forget(s->offenders);
    supervisor_close(&s->events[0]);
    supervisor_close(&s->events[1]);
    supervisor_close(&s->texts[0]);
    supervisor_close(&s->facts[0]);
    supervisor_close(&s->event_file);
    if (s->setup->control >= 0)
        close(s->setup->control);
    _exit(dnsbl_service_run(&(struct dnsbl_service_setup){
        .config = s->config,
        .asks = s->asks[0],
        .answers = answers,
        .answer_count = s->count,
        .texts = texts,
        .zones = s->zones[1],
        .supervisor = s->self,
    }));
}
