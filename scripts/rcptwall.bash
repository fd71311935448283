# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion for bash. Commands and options are those that the program's own --help names.

_rcptwall_files() { # WORD [PATTERN]: files, and folders on the way to them
    local name
    while IFS= read -r name; do
        if [[ -d $name || ! ${2:-} || $name =~ $2 ]]; then COMPREPLY+=("$name"); fi
    done < <(compgen -f -- "$1")
    compopt -o filenames 2>/dev/null || true # outside of a completion there is none
}

_rcptwall_words() { # WORD CHOICE...
    local word=$1
    shift
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word")
}

# The value of that option; false: it has none that can be guessed.
_rcptwall_value() { # PROGRAM COMMAND OPTION WORD
    case $3 in
    -c | --config | --nft-json | --iptables-save | --ip6tables-save | --socket) _rcptwall_files "$4" ;;
    -w | --write)
        if [[ $2 != replay ]]; then return 1; fi
        _rcptwall_files "$4"
        ;;
    --checksum) _rcptwall_words "$4" verify capture trust ;;
    --tls) _rcptwall_words "$4" no ;;
    --explain)
        # shellcheck disable=SC2046  # several words
        _rcptwall_words "$4" $("$1" check --no-firewall "${@:5}" 2>/dev/null | sed -nE 's/^  tag ([^ ]+) .*/\1/p')
        ;;
    -p | --port)
        if [[ $2 != replay ]]; then return 1; fi
        _rcptwall_words "$4" any 25 465 587 2525
        ;;
    *) return 1 ;;
    esac
}

# Does that option want a value? In its line of --help one blank stands before it, more before the explanation.
_rcptwall_wants_value() { # HELP OPTION
    case $2 in
    --*) grep -qE -- "^ +(-., )?$2 [^ ]" <<<"$1" ;;
    *) grep -qE -- "^ +$2, --[a-z0-9-]+ [^ ]" <<<"$1" ;;
    esac
}

_rcptwall() {
    local program=${COMP_WORDS[0]/#\~/$HOME} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} help i config=()
    COMPREPLY=()
    if ((COMP_CWORD == 1)) || { ((COMP_CWORD == 2)) && [[ $command == help ]]; }; then
        help=$("$program" --help 2>/dev/null | sed -nE 's/^  ([a-z]+) +[^ ].*/\1/p')
        if ((COMP_CWORD == 1)); then help+=" help --help --version"; fi
        # shellcheck disable=SC2086  # several words
        _rcptwall_words "$word" $help
        return
    fi
    # --option=value comes as three words
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c | --config)
            config=("${COMP_WORDS[i + 1]:-}")
            if [[ ${config[0]} == = ]]; then config=("${COMP_WORDS[i + 2]:-}"); fi
            config=(-c "${config[0]/#\~/$HOME}")
            ;;
        esac
    done
    help=$("$program" "$command" --help 2>/dev/null)
    if [[ $before == -* ]]; then
        if _rcptwall_value "$program" "$command" "$before" "$word" "${config[@]}"; then return; fi
        if _rcptwall_wants_value "$help" "$before"; then return; fi
    fi
    if [[ $word == -* ]]; then
        # shellcheck disable=SC2046  # several words
        _rcptwall_words "$word" $(grep -oE '^ +(-[a-zA-Z], )?--[a-z0-9-]+' <<<"$help" | grep -oE -- '--?[a-zA-Z0-9][a-z0-9-]*')
    elif [[ $command == replay ]]; then
        _rcptwall_files "$word" '\.(pcap|pcapng|cap)(\.gz)?$'
    fi
}

complete -F _rcptwall rcptwall
