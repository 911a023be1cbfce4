_bitrouter() {
    local -a lines texts shown
    lines=("${(@f)$(command "${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
    lines=("${(@)lines:#}")
    if (( $#lines == 0 )); then
        _bitrouter_words "$@"
        return
    fi
    texts=("${(@)lines%%$'\t'*}")
    shown=("${(@)lines//$'\t'/  -- }")
    compadd -l -V asked -d shown -a texts
}
