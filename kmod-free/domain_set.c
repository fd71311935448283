/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * All names lie in canonical form, back to back, in one pool; a table of open
 * addressing finds them. The hash runs over a name from its end to its start, so one
 * pass over a name from the wire gives the hashes of all its parent domains too, and
 * a lookup is linear in the length however many labels there are. The table is never
 * more than half full. The hash isn't keyed: the keys in the table come from the
 * administrator, and a hostile lookup can at worst walk the longest run in it.
 *
 * Addresses of literals are keys of 17 bytes (family, address) in the same table;
 * no canonical name holds a byte below 0x20 first, so the two can't be mixed up.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <idn2.h>
#include <stdlib.h>

#include "kmod-free/domain_set.h"

#define LABEL_MAX   63
#define ADDRESS_KEY 17

enum covers {
    COVERS_ITSELF = 1 << 0,
    COVERS_BELOW = 1 << 1,
};

struct entry {
    uint32_t at; /* in names */
    uint16_t len;
    uint8_t covers;
};

struct slot {
    uint32_t tag;   /* upper half of the hash */
    uint32_t entry; /* index + 1; 0: free */
};

struct domain_set {
    uint8_t *names;
    size_t names_len, names_room;
    struct entry *entries;
    size_t count, room;
    struct slot *slots;
    size_t mask; /* slots - 1 */
    bool any_below;
};

#define HASH_START 0xcbf29ce484222325u

static uint64_t hash_step(uint64_t h, uint8_t c)
{
    return (h ^ c) * 0x100000001b3u;
}

static uint64_t hash_finish(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

static uint64_t hash_of(struct bytes key)
{
    uint64_t h = HASH_START;
    for (size_t i = key.len; i > 0; i--)
        h = hash_step(h, key.at[i - 1]);
    return hash_finish(h);
}

struct domain_set *domain_set_new(void)
{
    return calloc(1, sizeof(struct domain_set));
}

void domain_set_free(struct domain_set *s)
{
    if (s == NULL)
        return;
    free(s->names);
    free(s->entries);
    free(s->slots);
    free(s);
}

size_t domain_set_size(const struct domain_set *s)
{
    return s->count;
}

static struct bytes entry_name(const struct domain_set *s, const struct entry *e)
{
    return bytes_of(s->names + e->at, e->len);
}

/* The slot of key, or the free one where it would go. */
static struct slot *find(const struct domain_set *s, struct bytes key, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t i = (size_t)hash & s->mask;; i = (i + 1) & s->mask) {
        struct slot *slot = &s->slots[i];
        if (slot->entry == 0)
            return slot;
        if (slot->tag == tag && bytes_equal(entry_name(s, &s->entries[slot->entry - 1]), key))
            return slot;
    }
}

static uint8_t coverage(const struct domain_set *s, struct bytes key, uint64_t hash)
{
    const struct slot *slot = find(s, key, hash);
    return slot->entry == 0 ? 0 : s->entries[slot->entry - 1].covers;
}

static bool append(struct domain_set *s, struct bytes key, uint8_t covers)
{
    if (s->names_room - s->names_len < key.len) {
        size_t room = s->names_room * 2 + 4096;
        uint8_t *names = realloc(s->names, room);
        if (names == NULL)
            return false;
        s->names = names;
        s->names_room = room;
    }
    if (s->count == s->room) {
        size_t room = s->room * 2 + 64;
        struct entry *entries = realloc(s->entries, room * sizeof *entries);
        if (entries == NULL)
            return false;
        s->entries = entries;
        s->room = room;
    }
    memcpy(s->names + s->names_len, key.at, key.len);
    s->entries[s->count++] = (struct entry){.at = (uint32_t)s->names_len, .len = (uint16_t)key.len, .covers = covers};
    s->names_len += key.len;
    return true;
}

static bool is_ascii(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] >= 0x80)
            return false;
    return true;
}

static struct bytes lower(struct bytes b, uint8_t *out, size_t room)
{
    size_t n = b.len < room ? b.len : room;
    for (size_t i = 0; i < n; i++)
        out[i] = ascii_lower(b.at[i]);
    return bytes_of(out, n);
}

static struct bytes without_dot(struct bytes b)
{
    if (b.len >= 2 && b.at[b.len - 1] == '.' && b.at[b.len - 2] != '.')
        b.len--;
    return b;
}

/* Does a mapping of `from` to `to` do nothing but change the case? */
static bool only_case(const char *from, const char *to)
{
    size_t n = strlen(from);
    if (strlen(to) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t a = (uint8_t)from[i], b = (uint8_t)to[i];
        if (a < 0x80 ? a != b : b < 0x80)
            return false;
    }
    return true;
}

/*
 * A-label form of a lower-cased, non-ASCII name, into out (room for DOMAIN_NAME_MAX).
 * Strict (no mapping), except that letters of other scripts may be upper case; with
 * `mapped` anything that a person may have typed into a configuration will do.
 * Returns its length, 0 if it has none.
 */
static size_t to_ascii(struct bytes name, bool mapped, uint8_t out[static DOMAIN_NAME_MAX])
{
    char text[DOMAIN_NAME_MAX + 1];
    if (name.len > DOMAIN_NAME_MAX || memchr(name.at, 0, name.len) != NULL)
        return 0;
    memcpy(text, name.at, name.len);
    text[name.len] = '\0';

    uint8_t *ascii = NULL;
    int rc = mapped ? -1 : idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NO_TR46);
    if (rc != IDN2_OK) {
        char *back = NULL;
        rc = idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
        if (rc == IDN2_OK && !mapped) {
            rc = idn2_to_unicode_8z8z((const char *)ascii, &back, 0);
            if (rc != IDN2_OK || !only_case(text, back)) {
                idn2_free(ascii);
                rc = IDN2_DISALLOWED;
            }
            idn2_free(back);
        }
    }
    if (rc != IDN2_OK)
        return 0;
    size_t n = strlen((const char *)ascii);
    if (n > DOMAIN_NAME_MAX)
        n = 0;
    (void)lower(bytes_of(ascii, n), out, n);
    idn2_free(ascii);
    return n;
}

static const char *bad_name(struct bytes name)
{
    size_t label = 0;
    bool digits = true; /* of the last label */
    if (name.len > DOMAIN_NAME_MAX - 2)
        return "longer than a domain name can be (253 bytes)";
    for (size_t i = 0; i <= name.len; i++) {
        uint8_t c = i < name.len ? name.at[i] : '.';
        if (c == '.') {
            if (label == 0)
                return "has an empty label";
            if (label > LABEL_MAX)
                return "has a label of more than 63 bytes";
            if (i == name.len)
                break;
            label = 0;
            digits = true;
            continue;
        }
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return "holds a character that no domain name has";
        digits = digits && digit;
        label++;
    }
    return digits ? "an address must stand in brackets, as in [192.0.2.25]" : NULL;
}

static struct bytes address_key(const struct ip_addr *a, uint8_t out[static ADDRESS_KEY])
{
    out[0] = a->family;
    memset(out + 1, 0, ADDRESS_KEY - 1);
    memcpy(out + 1, a->at, a->family == 4 ? 4 : 16);
    return bytes_of(out, ADDRESS_KEY);
}

static bool parse_ip4(struct bytes b, struct ip_addr *out)
{
    *out = (struct ip_addr){.family = 4};
    for (size_t i = 0; i < 4; i++) {
        uint8_t c;
        unsigned value = 0, digits = 0;
        if (i > 0 && (!take_u8(&b, &c) || c != '.'))
            return false;
        while (b.len > 0 && b.at[0] >= '0' && b.at[0] <= '9' && digits < 4) {
            value = value * 10 + (b.at[0] - '0');
            digits++;
            b = bytes_from(b, 1);
        }
        if (digits == 0 || value > 255 || digits > (value > 99 ? 3 : value > 9 ? 2 : 1))
            return false;
        out->at[i] = (uint8_t)value;
    }
    return b.len == 0;
}

bool domain_literal_address(struct bytes literal, struct ip_addr *out)
{
    *out = (struct ip_addr){0};
    if (literal.len < 3 || literal.at[0] != '[' || literal.at[literal.len - 1] != ']')
        return false;
    struct bytes in = bytes_of(literal.at + 1, literal.len - 2);
    if (!bytes_begin_nocase(in, bytes_str("IPv6:"))) {
        if (parse_ip4(in, out))
            return true;
        *out = (struct ip_addr){0};
        return false;
    }
    char text[INET6_ADDRSTRLEN + 1];
    in = bytes_from(in, 5);
    if (in.len == 0 || in.len >= sizeof text || memchr(in.at, 0, in.len) != NULL)
        return false;
    memcpy(text, in.at, in.len);
    text[in.len] = '\0';
    if (inet_pton(AF_INET6, text, out->at) != 1) {
        *out = (struct ip_addr){0};
        return false;
    }
    out->family = 6;
    return true;
}

static const char *add_literal(struct domain_set *s, struct bytes entry)
{
    struct ip_addr addr;
    uint8_t key[ADDRESS_KEY];
    if (!domain_literal_address(entry, &addr))
        return "not an address literal, such as [192.0.2.25] or [IPv6:2001:db8::25]";
    return append(s, address_key(&addr, key), COVERS_ITSELF) ? NULL : "out of memory";
}

const char *domain_set_add(struct domain_set *s, const char *entry)
{
    assert(s->slots == NULL);
    struct bytes name = bytes_str(entry);
    if (name.len == 0)
        return "empty";
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] == '@')
            return "holds an \"@\": a domain is wanted, not a mail address";
        if (name.at[i] <= ' ' || name.at[i] == 0x7f)
            return "holds a blank or a control character";
    }
    if (name.at[0] == '[')
        return add_literal(s, name);
    if (bytes_begin_nocase(name, bytes_str("*.")))
        return "no patterns: .local.example covers local.example and all that is below it";

    uint8_t covers = COVERS_ITSELF;
    if (name.at[0] == '.') {
        covers |= COVERS_BELOW;
        name = bytes_from(name, 1);
    }
    name = without_dot(name);

    uint8_t low[DOMAIN_NAME_MAX], ascii[DOMAIN_NAME_MAX];
    if (name.len > sizeof low)
        return "longer than a domain name can be (253 bytes)";
    name = lower(name, low, sizeof low);
    if (!is_ascii(name)) {
        size_t n = to_ascii(name, true, ascii);
        if (n == 0)
            return "not a valid internationalised domain name";
        name = bytes_of(ascii, n);
    }
    const char *bad = bad_name(name);
    if (bad != NULL)
        return bad;
    return append(s, name, covers) ? NULL : "out of memory";
}

bool domain_set_seal(struct domain_set *s)
{
    assert(s->slots == NULL);
    size_t slots = 16;
    while (slots < s->count * 2)
        slots *= 2;
    s->slots = calloc(slots, sizeof *s->slots);
    if (s->slots == NULL)
        return false;
    s->mask = slots - 1;

    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct entry e = s->entries[i];
        struct bytes name = entry_name(s, &e);
        uint64_t hash = hash_of(name);
        struct slot *slot = find(s, name, hash);
        s->any_below = s->any_below || (e.covers & COVERS_BELOW);
        if (slot->entry != 0) {
            s->entries[slot->entry - 1].covers |= e.covers;
            continue;
        }
        s->entries[kept++] = e;
        *slot = (struct slot){.tag = (uint32_t)(hash >> 32), .entry = (uint32_t)kept};
    }
    s->count = kept;
    return true;
}

/* name is in canonical form. */
/* Of each entry: what it covers, its length, its bytes. */
#define PACKED_HEAD 3

size_t domain_set_packed(const struct domain_set *s)
{
    size_t len = 0;
    for (size_t i = 0; i < s->count; i++)
        len += PACKED_HEAD + s->entries[i].len;
    return len;
}

void domain_set_pack(const struct domain_set *s, uint8_t *out)
{
    assert(s->slots != NULL);
    for (size_t i = 0; i < s->count; i++) {
        const struct entry *e = &s->entries[i];
        out[0] = e->covers;
        out[1] = (uint8_t)(e->len >> 8);
        out[2] = (uint8_t)e->len;
        memcpy(out + PACKED_HEAD, s->names + e->at, e->len);
        out += PACKED_HEAD + e->len;
    }
}

struct domain_set *domain_set_unpack(struct bytes packed)
{
    struct domain_set *s = domain_set_new();
    bool good = s != NULL;
    while (good && packed.len > 0) {
        uint8_t covers;
        uint16_t len;
        struct bytes name;
        good = take_u8(&packed, &covers) && take_be16(&packed, &len) && len > 0 && take_raw(&packed, len, &name) &&
               append(s, name, covers);
    }
    if (good && domain_set_seal(s))
        return s;
    domain_set_free(s);
    return NULL;
}

static bool has_name(const struct domain_set *s, struct bytes name)
{
    if (!s->any_below)
        return coverage(s, name, hash_of(name)) != 0;
    uint64_t h = HASH_START;
    for (size_t i = name.len; i > 0; i--) {
        if (name.at[i - 1] == '.' && i < name.len) {
            if (coverage(s, bytes_from(name, i), hash_finish(h)) & COVERS_BELOW)
                return true;
        }
        h = hash_step(h, name.at[i - 1]);
    }
    return coverage(s, name, hash_finish(h)) != 0;
}

bool domain_set_has_address(const struct domain_set *s, const struct ip_addr *addr)
{
    static const struct ip_addr self = {.family = 4, .at = {127, 0, 0, 1}};
    uint8_t key[ADDRESS_KEY], self_key[ADDRESS_KEY];
    struct bytes k = address_key(addr, key);
    assert(s->slots != NULL);
    return bytes_equal(k, address_key(&self, self_key)) || coverage(s, k, hash_of(k)) != 0;
}

bool domain_set_has(const struct domain_set *s, struct bytes domain)
{
    assert(s->slots != NULL);
    if (domain.len == 0)
        return true;
    if (domain.at[0] == '[') {
        struct ip_addr addr;
        return domain_literal_address(domain, &addr) && domain_set_has_address(s, &addr);
    }
    if (domain.len > DOMAIN_NAME_MAX + 1)
        return false;
    uint8_t canonical[DOMAIN_NAME_MAX + 1];
    struct bytes name = bytes_of(canonical, domain_canonical(domain, canonical, sizeof canonical));
    if (name.len == 0 || name.at[0] < ' ')
        return false;
    return bytes_equal(name, bytes_str("localhost")) || has_name(s, name);
}

size_t domain_canonical(struct bytes domain, uint8_t *out, size_t room)
{
    domain = without_dot(domain);
    if (domain.len <= DOMAIN_NAME_MAX && !is_ascii(domain)) {
        uint8_t low[DOMAIN_NAME_MAX], ascii[DOMAIN_NAME_MAX];
        size_t n = to_ascii(lower(domain, low, sizeof low), false, ascii);
        if (n > 0) {
            if (n > room)
                n = room;
            memcpy(out, ascii, n);
            return n;
        }
    }
    return lower(domain, out, room).len;
}
