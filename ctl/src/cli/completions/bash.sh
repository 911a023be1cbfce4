
_bitrouter_asked() {
    local -a lines=()
    mapfile -t lines < <(command "$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
    if ((${#lines[@]} == 0)); then
        _bitrouter "$@"
        return
    fi
    local line word
    COMPREPLY=()
    for line in "${lines[@]}"; do
        printf -v word %q "${line%%$'\t'*}"
        COMPREPLY+=("$word")
    done
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _bitrouter_asked -o nosort -o bashdefault -o default bitrouter
else
    complete -F _bitrouter_asked -o bashdefault -o default bitrouter
fi
