/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is ours: local domains, own addresses, protected servers; and addresses in general. */
#include "rules/config_parts.h"

#include "rules/config_text.h"

#include <stdio.h>
#include <stdlib.h>

#define BLANKS " \t\r\n"

bool config_each_word(struct config_reader *r, const struct setting *s,
                      bool (*each)(struct config_reader *, int line, const char *word, void *ctx), void *ctx)
{
    static const char separators[] = BLANKS ",";
    const char *at = s->text + strspn(s->text, separators);
    char word[128];

    if (*at == '\0')
        return config_fail(r, s->line, "an empty value");
    while (*at != '\0') {
        size_t len = strcspn(at, separators);
        if (len >= sizeof(word))
            return config_fail(r, s->line, "'%.60s...' is too long", at);
        memcpy(word, at, len);
        word[len] = '\0';
        if (!each(r, s->line, word, ctx))
            return false;
        at += len;
        at += strspn(at, separators);
    }
    return true;
}

/* Is every bit of the address behind the prefix zero? */
static bool host_bits_clear(const struct network *n)
{
    for (unsigned bit = n->prefix; bit < (n->addr.family == 4 ? 32U : 128U); bit++)
        if ((n->addr.at[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return false;
    return true;
}

bool config_network(struct config_reader *r, int line, const char *text, struct network *out)
{
    if (!network_parse(text, out))
        return config_fail(r, line, "'%s' is not an address or a network such as 192.0.2.0/24 or 2001:db8::/32", text);
    return host_bits_clear(out) ||
           config_fail(r, line, "'%s' has bits set behind its prefix of /%d", text, out->prefix);
}

static bool add_domain(struct config_reader *r, const char *path, int line, const char *entry)
{
    const char *wrong = domain_set_add(r->config->policy->local, entry);

    return wrong == NULL || config_fail_in(r, path, line, "'%s': %s", entry, wrong);
}

bool config_apply_domain(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    (void)key;
    (void)subject;
    return add_domain(r, r->path, s->line, s->text);
}

/* A relative name is relative to the configuration's own folder. The result is to be freed. */
static char *beside(const char *config_path, const char *name)
{
    const char *slash = strrchr(config_path, '/');
    size_t folder = slash == NULL || name[0] == '/' ? 0 : (size_t)(slash - config_path) + 1;
    size_t len = strlen(name);
    char *path = malloc(folder + len + 1);

    if (path != NULL) {
        memcpy(path, config_path, folder);
        memcpy(path + folder, name, len + 1);
    }
    return path;
}

/* One domain a line, # begins a comment. */
static bool read_domains(struct config_reader *r, const char *path, char *text, size_t len)
{
    int line = 0;

    for (char *at = text, *end = text + len; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        char *next = stop != NULL ? stop + 1 : end;
        line++;
        if (memchr(at, '\0', (size_t)(next - at)) != NULL)
            return config_fail_in(r, path, line, "a NUL byte");
        *(stop != NULL ? stop : end) = '\0'; /* config_load has left room for a NUL behind the text */
        at[strcspn(at, "#")] = '\0';
        at += strspn(at, BLANKS);
        size_t used = strcspn(at, BLANKS);
        if (at[used + strspn(at + used, BLANKS)] != '\0')
            return config_fail_in(r, path, line, "more than one domain on a line");
        at[used] = '\0';
        if (used > 0 && !add_domain(r, path, line, at))
            return false;
        at = next;
    }
    return true;
}

bool config_apply_domain_file(struct config_reader *r, const struct config_key *key, void *subject,
                              const struct setting *s)
{
    size_t len = 0;
    const char *why = "out of memory";
    char *path = s->text[0] != '\0' ? beside(r->path, s->text) : NULL;
    char *text = path != NULL ? config_load(path, SOURCE_FILE, CONFIG_DOMAINS_MAX, &len, &why) : NULL;
    bool good = text != NULL && read_domains(r, path, text, len);

    (void)subject;
    if (s->text[0] == '\0')
        (void)config_fail(r, s->line, "%s: empty", key->name);
    else if (text == NULL)
        (void)config_fail(r, s->line, "%s: %s: %s", key->name, path != NULL ? path : s->text, why);
    free(text);
    free(path);
    return good;
}

static bool add_own_address(struct config_reader *r, int line, const char *word, void *ctx)
{
    struct config *c = ctx;
    struct network network = {0};
    char literal[140];

    if (!config_network(r, line, word, &network))
        return false;
    if (strchr(word, '/') != NULL)
        return config_fail(r, line, "own-addresses: '%s' is a network, not an address", word);
    snprintf(literal, sizeof(literal), network.addr.family == 4 ? "[%s]" : "[IPv6:%s]", word);
    c->own_address_count++;
    return add_domain(r, r->path, line, literal);
}

bool config_apply_own_address(struct config_reader *r, const struct config_key *key, void *subject,
                              const struct setting *s)
{
    (void)key;
    return config_each_word(r, s, add_own_address, subject);
}

static bool add_server(struct config_reader *r, int line, const char *word, void *ctx)
{
    struct config *c = ctx;
    struct network network = {0};

    if (!config_network(r, line, word, &network))
        return false;
    for (size_t i = 0; i < c->server_count; i++)
        if (c->servers[i].prefix == network.prefix && ip_addr_equal(&c->servers[i].addr, &network.addr))
            return config_fail(r, line, "servers: %s is there twice", word);
    if (c->server_count == CONFIG_SERVERS_MAX)
        return config_fail(r, line, "servers: more than %d", CONFIG_SERVERS_MAX);
    c->servers[c->server_count++] = network;
    return true;
}

bool config_apply_server(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    (void)key;
    return config_each_word(r, s, add_server, subject);
}
