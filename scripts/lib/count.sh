# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# count - what the output of a test program says, in one of these forms:
#   ... a last line "N passed, N failed[, N skipped]"
#   ... lines "ok ...", "not ok ...", "skip ..." (also "skipped ..." and TAP's "# SKIP")
#   ... nothing of the kind: then its exit status is one test; 77 means skipped
# A bad exit status is never passed over: without a failed test, it counts as one.

# count_log FILE STATUS: sets count_passed, count_failed, count_skipped.
count_log() {
    local totals='^([a-z]+: )?([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$' last
    count_passed=0 count_failed=0 count_skipped=0
    last=$(tail -n 3 "$1" | grep -aE "$totals" | tail -n 1 || true) # make's own complaint may come last
    if [[ $last =~ $totals ]]; then
        count_passed=${BASH_REMATCH[2]} count_failed=${BASH_REMATCH[3]} count_skipped=${BASH_REMATCH[5]:-0}
    else
        count_passed=$(grep -aE '^ok\b' "$1" | grep -acvF '# SKIP' || true)
        count_failed=$(grep -aE '^not ok\b' "$1" | grep -acvF '# SKIP' || true)
        count_skipped=$(grep -acE '^skip(ped)?\b|^(not )?ok\b.*# SKIP' "$1" || true)
        if ((count_passed + count_failed == 0 && $2 == 0 && count_skipped == 0)); then count_passed=1; fi
        if (($2 == 77 && count_skipped == 0)); then count_skipped=1; fi
    fi
    if (($2 != 0 && $2 != 77 && count_failed == 0)); then count_failed=1; fi
}
