# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# live - what the live tests share: the lab, a server that keeps every byte, a client
# that does as told, the daemon, and one line for each thing that was looked at.
#
#   source "$(dirname "$0")/live.sh"
#   live_begin "$@"              # restarts the script inside the lab
#   live_config 'mode = enforce' # written on top of what every test has
#   live_rules; live_daemon
#   got=$(client 192.0.2.25 'EHLO x' ...)
#   check "name of what must be true" [[ ... ]]
#   live_end
#
# RCPTWALL names the program; build/rcptwall otherwise.

set -euo pipefail
LIVE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LIVE_ROOT=$(cd "$LIVE_DIR/../.." && pwd)
LIVE_NAME=${0##*/}
LIVE_NAME=${LIVE_NAME#check-}
RCPTWALL=$(realpath -m "${RCPTWALL:-$LIVE_ROOT/build/rcptwall}")
# shellcheck source=../../scripts/lib/lab.sh
source "$LIVE_ROOT/scripts/lib/lab.sh"
LIVE_FAILED=0
LIVE_WORKERS_DIE=0 # set to 1 by a test that kills some
# The system's own, where there is one: version managers' wrappers take their time at each start.
LIVE_PYTHON=/usr/bin/python3
if [[ ! -x $LIVE_PYTHON ]]; then LIVE_PYTHON=python3; fi
export PYTHONDONTWRITEBYTECODE=1 # nothing of a test stays in the tree

skip() {
    echo "skip $LIVE_NAME: $*"
    exit 0
}

# check NAME COMMAND...: the command must succeed.
check() {
    local name=$1
    shift
    if "$@" >/dev/null 2>&1; then
        echo "ok $LIVE_NAME: $name"
    else
        echo "not ok $LIVE_NAME: $name"
        LIVE_FAILED=1
    fi
}

# is "$text" PATTERN: does the whole text match (bash pattern)?
is() {
    # shellcheck disable=SC2053  # a pattern is wanted
    if [[ $1 == $2 ]]; then return 0; fi
    echo "# $LIVE_NAME: got \"$1\", wanted \"$2\"" >&3
    return 1
}

# below NUMBER LIMIT, with decimals
below() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 < b + 0) }' && return 0
    echo "# $LIVE_NAME: $1 isn't below $2" >&3
    return 1
}

# within MS LIMIT: was it so quick? LIMIT for a machine at full speed
within() {
    below "$1" $(($2 * LAB_SLOW))
}

# absent PATTERN FILE
absent() {
    ! grep -qE -e "$1" "$2"
}

# field NAME <<<"a=1 b=2"
field() {
    grep -oE "(^| )$1=[^ ]*" | head -n 1 | cut -d= -f2-
}

live_begin() {
    if ! lab_inside; then
        if ((EUID != 0)); then skip "needs root"; fi
        if [[ ! -x $RCPTWALL ]]; then skip "$RCPTWALL isn't there"; fi
        if ! command -v "$LIVE_PYTHON" >/dev/null; then skip "needs python3"; fi
        export RCPTWALL
        exec 3>&1
        lab_enter "$@"
    fi
    lab_up
    mkdir "$LAB_DIR/server"
    lab_start server inside "$LIVE_PYTHON" "$LIVE_DIR/server.py" "$LAB_DIR/server"
    lab_wait_port inside 25
    if ! lab_can_queue; then skip "this kernel has no packet queue for $LAB_FORM"; fi
    live_config 'mode = enforce'
}

# live_config LINE...: what every test has, and these lines.
live_config() {
    {
        echo "local-domains = { \"$LAB_DOMAIN\" }"
        echo "servers = { $LAB_SERVER4, $LAB_SERVER6 }"
        echo "networks { inside = { 203.0.113.0/24, \"2001:db8:3::/64\" } }"
        echo 'syslog { interval = 0 }'
        printf '%s\n' "$@"
    } >"$LAB_DIR/rcptwall.conf"
}

live_rules() {
    lab_rules "$LAB_DIR/rcptwall.conf"
}

# live_daemon [OPTION...]: starts it and waits until it is ready.
live_daemon() {
    lab_start rcptwall gateway "$RCPTWALL" run -c "$LAB_DIR/rcptwall.conf" "$@"
    if ! lab_wait_for "$LAB_DIR/rcptwall.log" 'started version=' 10; then
        cat "$LAB_DIR/rcptwall.log"
        lab_die "the daemon doesn't start"
    fi
}

# counters: SIGUSR1 and the line of each queue that comes of it.
counters() {
    local before
    before=$(grep -c '^queue=' "$LAB_DIR/rcptwall.log" || true)
    kill -USR1 "${LAB_PID[rcptwall]}"
    lab_wait_until 5 counters_grown "$before" || return 1
    grep '^queue=' "$LAB_DIR/rcptwall.log" | tail -n 1
}

counters_grown() {
    (($(grep -c '^queue=' "$LAB_DIR/rcptwall.log") > $1))
}

client() {
    lab_run outside "$LIVE_PYTHON" "$LIVE_DIR/client.py" "$@" || true
}

monitor_client() {
    lab_run monitor "$LIVE_PYTHON" "$LIVE_DIR/client.py" "$@" || true
}

# How the server saw the connection from that source port end; waits for it.
server_end() {
    lab_wait_for "$LAB_DIR/server/log" " port=$1 " "${2:-5}" || return 0
    grep " port=$1 " "$LAB_DIR/server/log" | tail -n 1
}

# Did these words reach the server over that source port?
server_has() {
    grep -qaF -- "$2" "$LAB_DIR/server/$1.bin"
}

server_lacks() {
    [[ -e $LAB_DIR/server/$1.bin ]] && ! server_has "$1" "$2"
}

# Is there a line in syslog that matches? Waits for it.
logged() {
    lab_wait_for "$LAB_DIR/syslog" "$1" "${2:-5}"
}

# refused NAME PATTERN COMMAND...: must end with status 2 and one line on stderr that matches.
refused() {
    local name=$1 pattern=$2 status=0
    shift 2
    "$@" >"$LAB_DIR/out" 2>"$LAB_DIR/err" </dev/null || status=$?
    check "$name: status 2" is "$status" 2
    check "$name: one clear line" is "$(cat "$LAB_DIR/err")" "$pattern"
    check "$name: it is one line" is "$(wc -l <"$LAB_DIR/err")" 1
}

live_end() {
    if lab_running rcptwall; then
        lab_stop rcptwall
        check "the daemon stops with status 0" is "$LAB_STATUS" 0
        if ((!LIVE_WORKERS_DIE)); then
            check "no process of it died or hung" absent 'its worker|the reporter|is stuck|killing it' "$LAB_DIR/rcptwall.log"
        fi
    fi
    if ((LIVE_FAILED)); then
        sed 's/^/# daemon: /' "$LAB_DIR"/rcptwall*.log
        sed 's/^/# syslog: /' "$LAB_DIR/syslog"
        sed 's/^/# server: /' "$LAB_DIR/server/log" 2>/dev/null || true
    fi
    exit "$LIVE_FAILED"
}
