# bitrouter: sends a provider key to the daemon when it changed in this shell.
_bitrouter_names=(@NAMES@)
_bitrouter_look() {
  local name flags
  _bitrouter_now=()
  for name in "${_bitrouter_names[@]}"; do
    if [[ -n "${!name:-}" ]]; then
      flags=x
      if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)); then eval "flags=\${$name@a}"; fi
      if [[ $flags == *x* ]]; then _bitrouter_now+=("${!name}"); else _bitrouter_now+=(''); fi
    else
      _bitrouter_now+=('')
    fi
  done
}
_bitrouter_hook() {
  local status=$? i changed=() traced=
  # `set -x` would print the keys at every prompt.
  { [[ $- == *x* ]] && traced=1; set +x; } 2>/dev/null
  _bitrouter_look
  for i in "${!_bitrouter_names[@]}"; do
    if [[ "${_bitrouter_now[i]}" != "${_bitrouter_seen[i]}" ]]; then changed+=("${_bitrouter_names[i]}"); fi
  done
  if ((${#changed[@]} > 0)); then
    _bitrouter_seen=("${_bitrouter_now[@]}")
    command @PROGRAM@ __push "${changed[@]}"
  fi
  { [[ -n $traced ]] && set -x; } 2>/dev/null
  return "$status"
}
{ _bitrouter_traced=$-; set +x; } 2>/dev/null
_bitrouter_look
_bitrouter_seen=("${_bitrouter_now[@]}")
{ [[ $_bitrouter_traced == *x* ]] && set -x; unset _bitrouter_traced; } 2>/dev/null
if [[ ";${PROMPT_COMMAND[*]:-};" != *"_bitrouter_hook"* ]]; then
  if [[ "$(declare -p PROMPT_COMMAND 2>/dev/null)" == "declare -a"* ]]; then
    PROMPT_COMMAND=(_bitrouter_hook "${PROMPT_COMMAND[@]}")
  else
    PROMPT_COMMAND="_bitrouter_hook${PROMPT_COMMAND:+;$PROMPT_COMMAND}"
  fi
fi
