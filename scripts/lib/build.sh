# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# build - `sudo scripts/demo` must not leave files of root in somebody's tree.
#
# as_owner: words to put in front of a command, so that it runs as the user who owns the tree if we are root and that
# is somebody else. Include it from the root of the tree.
# shellcheck disable=SC2034  # read by the scripts that include this
as_owner=()
if ((EUID == 0)) && [[ $(stat -c %u Makefile) != 0 ]]; then
    # shellcheck disable=SC2034  # as above
    as_owner=(setpriv --reuid "$(stat -c %u Makefile)" --regid "$(stat -c %g Makefile)" --clear-groups)
fi
