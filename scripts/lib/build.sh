# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# build - `sudo scripts/demo` must not leave files of root in somebody's tree.

# as_owner COMMAND...: as the user who owns the tree, if we are root and that is somebody else.
as_owner() {
    local user group
    user=$(stat -c %u Makefile)
    group=$(stat -c %g Makefile)
    if ((EUID == 0 && user != 0)); then
        setpriv --reuid "$user" --regid "$group" --clear-groups "$@"
    else
        "$@"
    fi
}
