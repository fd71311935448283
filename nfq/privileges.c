/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const struct {
    unsigned privilege, capability;
} table[] = {
    {PRIVILEGE_NET_ADMIN, CAP_NET_ADMIN},
    {PRIVILEGE_NET_BIND, CAP_NET_BIND_SERVICE},
};
#define TABLE_LEN (sizeof table / sizeof *table)

int privileges_find_user(const char *name, struct identity *out)
{
    *out = (struct identity){0};
    const struct passwd *pw = getpwnam(name);
    if (pw == NULL)
        return -ENOENT;
    *out = (struct identity){.uid = pw->pw_uid, .gid = pw->pw_gid, .set = true};
    return 0;
}

bool privileges_have(unsigned wanted)
{
    if (capng_get_caps_process() != 0)
        return false;
    for (size_t i = 0; i < TABLE_LEN; i++)
        if ((wanted & table[i].privilege) != 0 && !capng_have_capability(CAPNG_EFFECTIVE, table[i].capability))
            return false;
    return true;
}

int privileges_keep(unsigned keep, const struct identity *become)
{
    bool kept[TABLE_LEN];
    for (size_t i = 0; i < TABLE_LEN; i++)
        kept[i] = (keep & table[i].privilege) != 0 && privileges_have(table[i].privilege);
    capng_clear(CAPNG_SELECT_BOTH);
    for (size_t i = 0; i < TABLE_LEN; i++)
        if (kept[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, table[i].capability) != 0)
            return -EPERM;
    if (become->set) {
        if (capng_change_id((int)become->uid, (int)become->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) != 0)
            return -EPERM;
    } else if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
        return -EPERM;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    privileges_no_dump();
    return 0;
}

void privileges_no_dump(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
