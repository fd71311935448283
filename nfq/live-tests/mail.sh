# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# mail - what the live tests with a real server and a real client share: one message each, and what became of it.
# Include it behind scripts/lib/lab.sh. The message's text is $LAB_DIR/body.

passed=0 failed=0
# check NAME COMMAND...
check() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "not ok $name"
    fi
}
is() {
    if [[ $1 == "$2" ]]; then return 0; fi
    echo "# got '$1', wanted '$2'"
    return 1
}
settled() {
    lab_wait_until 20 lab_queue_empty || true
}
maillog_lacks() {
    [[ -s $LAB_DIR/postfix/maillog ]] && ! grep -qF -- "$1" "$LAB_DIR"/postfix*/maillog
}
logged() {
    lab_wait_for "$LAB_DIR/syslog" "$1" 5
}
not_logged() {
    ! grep -qE -- "$1" "$LAB_DIR/syslog"
}

# mail NS SERVER FROM TO [SWAKS-OPTION...]: sets status; what was said is in $LAB_DIR/swaks.log.
mail() {
    local ns=$1 server=$2 from=$3 to=$4
    shift 4
    status=0
    lab_run "$ns" swaks --server "$server" --helo client.example --timeout $((15 * LAB_SLOW)) --from "$from" --to "$to" \
        --header "Subject: to $to" --body "@$LAB_DIR/body" "$@" </dev/null >"$LAB_DIR/swaks.log" 2>&1 || status=$?
}
# Ended by a reset in the middle of the session, not by an answer of the server and not by a timeout.
was_reset() {
    if ((status != 0)) && grep -qE '^\*\*\* Remote host closed connection unexpectedly' "$LAB_DIR/swaks.log" &&
        ! grep -qE '^<\*\* |Timeout' "$LAB_DIR/swaks.log"; then
        return 0
    fi
    sed 's/^/# /' "$LAB_DIR/swaks.log"
    return 1
}
# Client and catcher both add empty lines at the end.
without_end() {
    sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}
# arrived DIR RECIPIENT: exactly one message for it, whose body is what was sent.
arrived() {
    local files
    settled
    mapfile -t files < <(grep -lF -- "X-Rcpt-Args: <$2>" "$LAB_DIR/$1"/m.* 2>/dev/null)
    is "${#files[@]}" 1 && is "$(lab_body "${files[0]}" | without_end | sha256sum)" "$(without_end <"$LAB_DIR/body" | sha256sum)"
}
# nowhere TEXT: in no message that left or was delivered, and the server's log doesn't know it.
nowhere() {
    settled
    maillog_lacks "$1" && ! grep -qsrF -- "$1" "$LAB_DIR/left" "$LAB_DIR/local"
}
