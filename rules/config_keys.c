/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys: the one place where a name of the configuration meets a member of a
 * struct. rcptwall.conf explains each of them to people; a test holds the two
 * lists against each other.
 */
#include "rules/config_parts.h"

#include "kmod-free/stream.h"
#include "rules/config_values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/un.h>
#include <syslog.h>

static bool out_of_range(struct config_reader *r, const struct config_key *key, const struct setting *s, uint64_t unit,
                         const char *name)
{
    return config_fail(r, s->line, "%s: '%s' is out of range (%" PRIu64 "%s to %" PRIu64 "%s)", key->name, s->text,
                       key->least / unit, name, key->most / unit, name);
}

static bool apply_u32(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    uint64_t value;

    if (!config_count(s->text, &value))
        return config_fail(r, s->line, "%s: '%s' is not a number", key->name, s->text);
    if (value < key->least || value > key->most)
        return out_of_range(r, key, s, 1, "");
    *(uint32_t *)((char *)subject + key->at) = (uint32_t)value;
    return true;
}

static bool read_size(struct config_reader *r, const struct config_key *key, const struct setting *s, uint64_t *out)
{
    if (!config_size(s->text, out))
        return config_fail(r, s->line, "%s: '%s' is not a size such as 4096, 64k, 16M, 1G", key->name, s->text);
    return (*out >= key->least && *out <= key->most) || out_of_range(r, key, s, 1024, "k");
}

/* Bytes, into a uint32_t. */
static bool apply_size(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    uint64_t bytes;

    if (!read_size(r, key, s, &bytes))
        return false;
    *(uint32_t *)((char *)subject + key->at) = (uint32_t)bytes;
    return true;
}

/* Bytes, into a uint32_t that counts stream blocks. */
static bool apply_blocks(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    uint64_t bytes;

    if (!read_size(r, key, s, &bytes))
        return false;
    *(uint32_t *)((char *)subject + key->at) = (uint32_t)(bytes / STREAM_BLOCK);
    return true;
}

/* Nanoseconds, into an int64_t. */
static bool apply_duration(struct config_reader *r, const struct config_key *key, void *subject,
                           const struct setting *s)
{
    int64_t ns;

    if (!config_duration(s->text, &ns))
        return config_fail(r, s->line, "%s: '%s' is not a duration such as 500ms, 60s, 5min, 2h, 1d", key->name,
                           s->text);
    if ((uint64_t)ns < key->least || (uint64_t)ns > key->most)
        return key->least % (uint64_t)NS_PER_S != 0 ? out_of_range(r, key, s, (uint64_t)NS_PER_MS, "ms")
                                                    : out_of_range(r, key, s, (uint64_t)NS_PER_S, "s");
    *(int64_t *)((char *)subject + key->at) = ns;
    return true;
}

/* Whole seconds, into a uint32_t. */
static bool apply_seconds(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    int64_t ns;

    if (!config_duration(s->text, &ns))
        return config_fail(r, s->line, "%s: '%s' is not a duration such as 60s, 5min, 2h, 1d", key->name, s->text);
    if ((uint64_t)ns < key->least || (uint64_t)ns > key->most)
        return out_of_range(r, key, s, (uint64_t)NS_PER_S, "s");
    *(uint32_t *)((char *)subject + key->at) = (uint32_t)(ns / NS_PER_S);
    return true;
}

static bool apply_flag(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    return config_flag(s->text, (bool *)((char *)subject + key->at)) ||
           config_fail(r, s->line, "%s: '%s' is not yes or no", key->name, s->text);
}

/* The value of a word; -1: config_fail was called. */
static int read_word(struct config_reader *r, const struct config_key *key, const struct setting *s)
{
    char all[256] = "";
    size_t used = 0;

    for (const struct config_word *w = key->words; w->word != NULL; w++) {
        if (strcmp(w->word, s->text) == 0)
            return w->value;
        int n = snprintf(all + used, sizeof(all) - used, "%s%s", used > 0 ? ", " : "", w->word);
        used += n > 0 && (size_t)n < sizeof(all) - used ? (size_t)n : 0;
    }
    (void)config_fail(r, s->line, "%s: '%s' is not one of: %s", key->name, s->text, all);
    return -1;
}

static bool apply_int_word(struct config_reader *r, const struct config_key *key, void *subject,
                           const struct setting *s)
{
    int value = read_word(r, key, s);

    if (value < 0)
        return false;
    *(int *)((char *)subject + key->at) = value;
    return true;
}

/* A word that stands for yes or no, into a bool. */
static bool apply_bool_word(struct config_reader *r, const struct config_key *key, void *subject,
                            const struct setting *s)
{
    int value = read_word(r, key, s);

    if (value < 0)
        return false;
    *(bool *)((char *)subject + key->at) = value != 0;
    return true;
}

static bool apply_action(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    int value = read_word(r, key, s);

    if (value < 0)
        return false;
    *(enum action *)((char *)subject + key->at) = (enum action)value;
    return true;
}

static bool apply_on_failure(struct config_reader *r, const struct config_key *key, void *subject,
                             const struct setting *s)
{
    int value = read_word(r, key, s);

    if (value < 0)
        return false;
    *(enum on_failure *)((char *)subject + key->at) = (enum on_failure)value;
    return true;
}

static bool apply_mode(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    struct config *c = subject;
    int value = read_word(r, key, s);

    if (value < 0)
        return false;
    c->policy->enforce = value != 0;
    if (c->policy->enforce && asprintf(&c->enforce_at, "%s:%d", r->path, s->line) < 0) {
        c->enforce_at = NULL;
        return config_fail(r, 0, "out of memory");
    }
    return true;
}

static bool apply_queues(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    struct config *c = subject;
    uint16_t first, last;

    if (!config_range(s->text, &first, &last))
        return config_fail(r, s->line, "%s: '%s' is not a queue (0) or a range of queues (0:3)", key->name, s->text);
    if (first > last)
        return config_fail(r, s->line, "%s: '%s' is the wrong way round: the first number is larger than the second",
                           key->name, s->text);
    c->queue_first = first;
    c->queue_last = last;
    return true;
}

/* config_read empties the default list when the key is there. */
static bool apply_hook(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    struct config *c = subject;
    int value = read_word(r, key, s);

    if (value < 0)
        return false;
    c->hooks |= (unsigned)value;
    return true;
}

static bool apply_mark_mask(struct config_reader *r, const struct config_key *key, void *subject,
                            const struct setting *s)
{
    struct config *c = subject;
    uint32_t mask;

    if (!config_mask(s->text, &mask))
        return config_fail(r, s->line, "%s: '%s' is not a 32-bit number in hexadecimal, such as 0x07f00000", key->name,
                           s->text);
    if (!marks_of_mask(mask, &c->marks))
        return config_fail(r, s->line, "%s: %s is not seven adjacent bits, such as 0x07f00000", key->name, s->text);
    return true;
}

static bool add_port(struct config_reader *r, int line, const char *word, void *ctx)
{
    struct config *c = ctx;
    uint64_t port;

    if (!config_count(word, &port) || port == 0 || port > UINT16_MAX)
        return config_fail(r, line, "ports: '%s' is not a port (1 to 65535)", word);
    for (size_t i = 0; i < c->engine.port_count; i++)
        if (c->engine.ports[i] == port)
            return config_fail(r, line, "ports: %s is there twice", word);
    if (c->engine.port_count == CONFIG_PORTS_MAX)
        return config_fail(r, line, "ports: more than %d", CONFIG_PORTS_MAX);
    c->engine.ports[c->engine.port_count++] = (uint16_t)port;
    return true;
}

/* config_read empties the default list when the key is there. */
static bool apply_ports(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    (void)key;
    return config_each_word(r, s, add_port, subject);
}

static bool set_text(struct config_reader *r, const struct config_key *key, void *subject, const char *text)
{
    char **to = (char **)((char *)subject + key->at);

    free(*to);
    *to = strdup(text);
    return *to != NULL || config_fail(r, 0, "out of memory");
}

static bool apply_path(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    if (s->text[0] != '/')
        return config_fail(r, s->line, "%s: '%s' is not an absolute path", key->name, s->text);
    return set_text(r, key, subject, s->text);
}

/* Of a Unix socket. */
static bool apply_socket(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    if (strlen(s->text) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return config_fail(r, s->line, "%s: '%.60s...' is too long for a socket", key->name, s->text);
    return apply_path(r, key, subject, s);
}

static bool apply_name(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    if (s->text[0] == '\0')
        return config_fail(r, s->line, "%s: empty", key->name);
    return set_text(r, key, subject, s->text);
}

static const struct config_word mode_words[] = {{"monitor", 0}, {"enforce", 1}, {NULL, 0}};
static const struct config_word failure_words[] = {{"closed", FAIL_CLOSED}, {"open", FAIL_OPEN}, {NULL, 0}};
static const struct config_word hook_words[] = {
    {"forward", HOOK_FORWARD}, {"input", HOOK_INPUT}, {"bridge", HOOK_BRIDGE}, {NULL, 0}};
static const struct config_word facility_words[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON}, {"mail", LOG_MAIL},
    {"news", LOG_NEWS},     {"syslog", LOG_SYSLOG},     {"user", LOG_USER},     {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},     {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7}, {NULL, 0},
};
static const struct config_word level_words[] = {
    {"emerg", LOG_EMERG},   {"alert", LOG_ALERT}, {"crit", LOG_CRIT},   {"err", LOG_ERR}, {"warning", LOG_WARNING},
    {"notice", LOG_NOTICE}, {"info", LOG_INFO},   {"debug", LOG_DEBUG}, {NULL, 0},
};
/* Only a RCPT can be refused. */
static const struct config_word rcpt_action_words[] = {
    {"accept", ACTION_ACCEPT}, {"alert", ACTION_ALERT}, {"refuse", ACTION_REFUSE},
    {"reset", ACTION_RESET},   {"drop", ACTION_DROP},   {"ban", ACTION_BAN},
    {NULL, 0},
};
static const struct config_word action_words[] = {
    {"accept", ACTION_ACCEPT}, {"alert", ACTION_ALERT}, {"reset", ACTION_RESET},
    {"drop", ACTION_DROP},     {"ban", ACTION_BAN},     {NULL, 0},
};
static const struct config_word midstream_words[] = {{"reset", ACTION_RESET}, {"pass", ACTION_ACCEPT}, {NULL, 0}};
static const struct config_word starttls_words[] = {
    {"allow", ACTION_ACCEPT}, {"alert", ACTION_ALERT}, {"reset", ACTION_RESET}, {NULL, 0}};
static const struct config_word authenticated_words[] = {{"judge", 0}, {"exempt", 1}, {NULL, 0}};

#define IN_CONFIG(member) offsetof(struct config, member)
#define IN_TAG(member)    offsetof(struct policy_tag, member)
#define DAY               (86400 * (uint64_t)NS_PER_S)

static const struct config_key top_keys[] = {
    {.name = "mode", .apply = apply_mode, .words = mode_words},
    {.name = "on-failure", .apply = apply_on_failure, .at = IN_CONFIG(on_failure), .words = failure_words},
    {.name = "hooks",
     .list = true,
     .empty = "no packet would be looked at",
     .apply = apply_hook,
     .words = hook_words},
    {.name = "queues", .apply = apply_queues},
    {.name = "queue-length", .apply = apply_u32, .at = IN_CONFIG(queue_maxlen), .least = 16, .most = 1048576},
    {.name = "mark-mask", .apply = apply_mark_mask},
    {.name = "local-domains", .list = true, .apply = config_apply_domain},
    {.name = "local-domains-file", .apply = config_apply_domain_file},
    {.name = "own-addresses", .list = true, .apply = config_apply_own_address},
    {.name = "servers", .list = true, .apply = config_apply_server},
    {.name = "ports", .list = true, .empty = "no port would be looked at", .apply = apply_ports},
    {.name = "event-file", .apply = apply_path, .at = IN_CONFIG(event_file)},
    {.name = "control-socket", .apply = apply_socket, .at = IN_CONFIG(control_socket)},
    {.name = "control-group", .apply = apply_name, .at = IN_CONFIG(control_group)},
    {.name = "log-rcpt", .apply = apply_flag, .at = IN_CONFIG(log_rcpt)},
    {.name = "user", .apply = apply_name, .at = IN_CONFIG(user)},
    {.name = NULL},
};

#define DURATION(key, member, low)                                                                                     \
    {                                                                                                                  \
        .name = key, .apply = apply_duration, .at = IN_CONFIG(member), .least = (low) * (uint64_t)NS_PER_S,            \
        .most = 30 * DAY                                                                                               \
    }

static const struct config_key limits_keys[] = {
    {.name = "flows", .apply = apply_u32, .at = IN_CONFIG(engine.max_flows), .least = 16, .most = UINT32_C(1) << 22},
    {.name = "memory",
     .apply = apply_blocks,
     .at = IN_CONFIG(engine.stream_blocks),
     .least = UINT32_C(1) << 20,
     .most = UINT64_C(64) << 30},
    {.name = "stream-memory",
     .apply = apply_blocks,
     .at = IN_CONFIG(engine.stream_block_limit),
     .least = UINT32_C(64) << 10,
     .most = UINT64_C(64) << 20},
    {.name = "line-length",
     .apply = apply_size,
     .at = IN_CONFIG(engine.smtp.line_max),
     .least = 1024,
     .most = SMTP_LINE_MAX_HIGHEST},
    DURATION("idle-timeout", engine.idle_ns, 10),
    DURATION("handshake-timeout", engine.handshake_ns, 1),
    DURATION("closed-timeout", engine.closed_ns, 1),
    {.name = NULL},
};

static const struct config_key syslog_keys[] = {
    {.name = "facility", .apply = apply_int_word, .at = IN_CONFIG(syslog_facility), .words = facility_words},
    {.name = "level", .apply = apply_int_word, .at = IN_CONFIG(syslog_level), .words = level_words},
    {.name = "interval", .apply = apply_duration, .at = IN_CONFIG(alert_interval_ns), .least = 0, .most = DAY},
    {.name = NULL},
};

#define ACTION_OF(key, reason, choice)                                                                                 \
    {                                                                                                                  \
        .name = key, .apply = apply_action, .at = IN_TAG(on[reason]), .words = choice                                  \
    }
#define ACTION(key, reason)      ACTION_OF(key, reason, action_words)
#define RCPT_ACTION(key, reason) ACTION_OF(key, reason, rcpt_action_words)

const struct config_key config_tag_keys[] = {
    {.name = "value"}, /* config_read_tags: it decides which struct policy_tag the others go to */
    RCPT_ACTION("external-rcpt", REASON_EXTERNAL_RCPT),
    ACTION("smuggling", REASON_SMUGGLING),
    ACTION("evasion", REASON_EVASION),
    ACTION("desync", REASON_DESYNC),
    ACTION("injection", REASON_INJECTION),
    ACTION("malformed", REASON_MALFORMED),
    RCPT_ACTION("limit", REASON_LIMIT),
    {.name = "midstream", .apply = apply_action, .at = IN_TAG(on[REASON_MIDSTREAM]), .words = midstream_words},
    {.name = "starttls", .apply = apply_action, .at = IN_TAG(on[REASON_STARTTLS]), .words = starttls_words},
    {.name = "authenticated",
     .apply = apply_bool_word,
     .at = IN_TAG(exempt_authenticated),
     .words = authenticated_words},
    ACTION("dnsbl", REASON_DNSBL),
    {.name = "dnsbl-threshold", .apply = config_apply_threshold, .at = IN_TAG(dnsbl_threshold)},
    {.name = "dnsbl-unknown", .apply = apply_action, .at = IN_TAG(dnsbl_unknown), .words = action_words},
    {.name = "rcpt-limit", .apply = apply_u32, .at = IN_TAG(rcpt_limit), .least = 0, .most = 1000000},
    {.name = "ban-after", .apply = apply_u32, .at = IN_TAG(ban_after), .least = 0, .most = 65535},
    {.name = "ban-for", .apply = apply_seconds, .at = IN_TAG(ban_for_s), .least = (uint64_t)NS_PER_S, .most = 30 * DAY},
    {.name = NULL},
};

#define IN_ZONE(member) offsetof(struct dnsbl_zone, member)
#define MS              ((uint64_t)NS_PER_MS)

const struct config_key config_zone_keys[] = {
    {.name = "codes", .list = true, .empty = "nothing would be a listing", .apply = config_apply_codes},
    {.name = "weight", .apply = config_apply_weight, .at = IN_ZONE(weight)},
    {.name = "ipv4", .apply = apply_flag, .at = IN_ZONE(ipv4)},
    {.name = "ipv6", .apply = apply_flag, .at = IN_ZONE(ipv6)},
    {.name = "timeout", .apply = apply_duration, .at = IN_ZONE(timeout_ns), .least = 100 * MS, .most = 60000 * MS},
    {.name = "check-every", .apply = apply_duration, .at = IN_ZONE(check_every_ns), .least = 1000 * MS, .most = DAY},
    {.name = "retry", .apply = apply_duration, .at = IN_ZONE(retry_ns), .least = 1000 * MS, .most = DAY},
    {.name = NULL},
};

static const struct config_key dns_keys[] = {
    {.name = "resolver", .apply = config_apply_resolver},
    {.name = "wait", .apply = apply_duration, .at = IN_CONFIG(dnsbl.wait_ns), .least = 0, .most = 30000 * MS},
    {.name = "cache", .apply = apply_u32, .at = IN_CONFIG(dnsbl.cache_entries), .least = 16, .most = 1048576},
    {.name = "ttl-least", .apply = apply_duration, .at = IN_CONFIG(dnsbl.ttl_least_ns), .least = 1000 * MS, .most = DAY},
    {.name = "ttl-most", .apply = apply_duration, .at = IN_CONFIG(dnsbl.ttl_most_ns), .least = 1000 * MS, .most = DAY},
    {.name = "exempt", .list = true, .apply = config_apply_exempt},
    {.name = NULL},
};

static const struct config_key no_keys[] = {{.name = NULL}};

const struct config_section config_sections[] = {
    {.name = "", .keys = top_keys},
    {.name = "networks", .keys = no_keys, .learns = true},
    {.name = "tag", .keys = config_tag_keys, .titled = true},
    {.name = "limits", .keys = limits_keys},
    {.name = "dns", .keys = dns_keys},
    {.name = "dnsbl", .keys = config_zone_keys, .titled = true},
    {.name = "syslog", .keys = syslog_keys},
    {.name = NULL},
};
