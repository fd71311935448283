/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/command_check_start.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct teller {
    void (*tell)(void *ctx, const char *text);
    void *ctx;
    size_t count;
};

static void say(struct teller *t, const char *key, const char *about, const char *why)
{
    char text[PATH_MAX + 160];

    snprintf(text, sizeof(text), "%s%s%s: %s", key, about != NULL ? " " : "", about != NULL ? about : "", why);
    t->tell(t->ctx, text);
    t->count++;
}

/* The folder that a name is in; false: the path is too long to be one. */
static bool folder_of(const char *path, char folder[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (len >= PATH_MAX)
        return false;
    if (len > 0)
        snprintf(folder, PATH_MAX, "%.*s", (int)len, path);
    else
        snprintf(folder, PATH_MAX, "%s", slash != NULL ? "/" : ".");
    return true;
}

/* 0 or the errno with which the file couldn't be opened for writing, or made; as who we are now. */
static int writable(const char *path)
{
    char folder[PATH_MAX];
    struct stat st;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return EISDIR;
        return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 ? 0 : errno;
    }
    if (errno != ENOENT)
        return errno;
    if (!folder_of(path, folder))
        return ENAMETOOLONG;
    return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static int readable(const char *path)
{
    return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* What `able` says as the daemon's user, if we may become him for a moment. */
static int as_user(int (*able)(const char *), const char *path, const struct passwd *user)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (uid != 0) { /* whether root may is not ours to see */
        int error = able(path);
        return error == EACCES || error == EPERM ? 0 : error;
    }
    if (user != NULL && (setegid(user->pw_gid) < 0 || seteuid(user->pw_uid) < 0))
        abort(); /* root can */
    int error = able(path);
    if (user != NULL && (seteuid(uid) < 0 || setegid(gid) < 0))
        abort(); /* neither here nor there */
    return error;
}

/* Only if it was asked for: else the daemon does without. */
static void check_socket(struct teller *t, const char *path)
{
    char folder[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        say(t, "control-socket", NULL, "its path is too long");
    else if (!folder_of(path, folder) || stat(folder, &st) < 0)
        say(t, "control-socket", path, strerror(errno));
    else if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        say(t, "control-socket", path, "is there, and is no socket");
}

size_t command_check_start(const struct config *c, void (*tell)(void *ctx, const char *text), void *ctx)
{
    const struct passwd *user = c->user != NULL ? getpwnam(c->user) : NULL;
    struct teller t = {.tell = tell, .ctx = ctx};

    if (c->user != NULL && user == NULL)
        say(&t, "user", NULL, "there is no such user here");
    if (c->event_file != NULL) {
        int error = as_user(writable, c->event_file, user);
        if (error != 0)
            say(&t, "event-file", c->event_file, strerror(error));
    }
    if (c->control_socket != NULL) {
        check_socket(&t, c->control_socket);
        if (c->control_group != NULL && getgrnam(c->control_group) == NULL)
            say(&t, "control-group", NULL, "there is no such group here");
    }
    return t.count;
}

void command_check_later(const struct config *c, const char *path, void (*warn)(void *ctx, const char *text), void *ctx)
{
    const struct passwd *user = c->user != NULL ? getpwnam(c->user) : NULL;
    struct teller t = {.tell = warn, .ctx = ctx};
    int error = user != NULL ? as_user(readable, path, user) : 0;

    if (error != 0)
        say(&t, "user", c->user, "can't read this file, so every reload (SIGHUP) will be refused");
    if (c->control_socket == NULL && c->control_group != NULL && getgrnam(c->control_group) == NULL)
        say(&t, "control-group", NULL, "there is no such group here, so rcptwall status can't ask");
}
