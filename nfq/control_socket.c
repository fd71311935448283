/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/control_socket.h"

#include "rules/config.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Many, so that even who doesn't wait to be let in is (a full list answers EAGAIN). */
#define WAITING_MAX 1024
#define PATIENCE_S  10

static bool address_of(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof out->sun_path)
        return false;
    memcpy(out->sun_path, path, len);
    return true;
}

int control_socket_connect(const char *path)
{
    struct sockaddr_un to;
    if (!address_of(path, &to)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const struct timeval wait = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* The default path's folder; /run is empty after each start of the machine. */
static void make_folder(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    if (len == 0 || len >= sizeof folder)
        return;
    memcpy(folder, path, len);
    folder[len] = '\0';
    (void)mkdir(folder, 0755); /* if it can't be made, bind says so */
}

/* false: somebody answers there, or it isn't a socket. */
static bool name_free(const char *path, char *error, size_t room)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return true;
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(error, room, "control-socket %s: is there, and is no socket", path);
        return false;
    }
    int fd = control_socket_connect(path);
    if (fd >= 0 || errno != ECONNREFUSED) {
        snprintf(error, room, "control-socket %s: %s", path, fd >= 0 ? "another daemon listens there" : strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    (void)unlink(path);
    return true;
}

static bool set_owner(const char *path, const char *group, const struct identity *become, char *error, size_t room)
{
    uid_t uid = become->set ? become->uid : (uid_t)-1;
    gid_t gid = become->set ? become->gid : (gid_t)-1;
    if (group != NULL) {
        const struct group *g = getgrnam(group);
        if (g == NULL) {
            snprintf(error, room, "control-group: there is no group \"%s\"", group);
            return false;
        }
        gid = g->gr_gid;
    }
    /* in this order: afterwards it is somebody else's, and its mode not ours to change without CAP_FOWNER */
    if (chmod(path, group != NULL ? 0660 : 0600) == 0 && lchown(path, uid, gid) == 0)
        return true;
    snprintf(error, room, "control-socket %s: %s", path, strerror(errno));
    return false;
}

int control_socket_open(const char *path, const char *group, const struct identity *become, char *error, size_t room)
{
    struct sockaddr_un at;
    if (path == NULL) {
        path = CONTROL_SOCKET_PATH;
        make_folder(path);
    }
    if (!address_of(path, &at)) {
        snprintf(error, room, "control-socket: its path is too long");
        return -1;
    }
    if (!name_free(path, error, room))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177); /* nobody gets in between bind and chmod */
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    if (!bound)
        snprintf(error, room, "control-socket %s: %s", path, strerror(errno));
    umask(before);
    if (bound && set_owner(path, group, become, error, room)) {
        if (listen(fd, WAITING_MAX) == 0)
            return fd;
        snprintf(error, room, "control-socket %s: %s", path, strerror(errno));
    }
    if (bound)
        (void)unlink(path);
    if (fd >= 0)
        close(fd);
    return -1;
}

void control_socket_close(int fd, const char *path)
{
    close(fd);
    (void)unlink(path != NULL ? path : CONTROL_SOCKET_PATH);
}
