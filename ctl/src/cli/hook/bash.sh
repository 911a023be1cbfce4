# bitrouter: sends a provider key to the daemon when it changed in this shell.
_bitrouter_names=(@NAMES@)
_bitrouter_sockets=(@SOCKETS@)
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
# True where a daemon may be: something stands where its socket would. No process is made to find out.
_bitrouter_may_answer() {
  local socket
  if [[ -n "${BITROUTER_SOCKET:-}" ]]; then [[ -S $BITROUTER_SOCKET ]]; return; fi
  for socket in "${_bitrouter_sockets[@]}"; do
    if [[ -S $socket ]]; then return 0; fi
  done
  return 1
}
# The program under the name it was called by; where an upgrade moved it away, what PATH finds now.
_bitrouter_push() {
  local program=@PROGRAM@
  if [[ $program == */* && ! -x $program ]]; then program=bitrouter; fi
  if [[ $program != */* ]]; then
    hash -d "$program" 2>/dev/null
    if ! type -P "$program" >/dev/null; then return 2; fi
  fi
  command "$program" __push @FLAGS@ "$@"
}
_bitrouter_tick() {
  local i changed=() traced= again=() IFS=$'\037'
  # `set -x` would print the keys at every prompt.
  { [[ $- == *x* ]] && traced=1; set +x; } 2>/dev/null
  _bitrouter_look
  for i in "${!_bitrouter_names[@]}"; do
    if [[ "${_bitrouter_now[i]}" != "${_bitrouter_seen[i]}" ]]; then changed+=("${_bitrouter_names[i]}"); fi
  done
  # What could not be sent is sent again once a daemon may answer, without another word.
  if [[ ${_bitrouter_unsent+x} && "${_bitrouter_now[*]}" == "$_bitrouter_unsent" ]]; then
    if _bitrouter_may_answer; then again=(--again); else changed=(); fi
  fi
  if ((${#changed[@]} > 0)); then
    _bitrouter_push ${again[@]+"${again[@]}"} "${changed[@]}"
    case $? in
      2 | 126 | 127) _bitrouter_unsent=${_bitrouter_now[*]} ;;
      *) _bitrouter_seen=("${_bitrouter_now[@]}"); unset _bitrouter_unsent ;;
    esac
  fi
  { [[ -n $traced ]] && set -x; } 2>/dev/null
}
_bitrouter_hook() {
  local status=$?
  # On the left of `||` nothing ends a shell that runs under `set -e`.
  _bitrouter_tick || :
  if [[ $- == *e* ]]; then return 0; fi
  return "$status"
}
{ _bitrouter_traced=$-; set +x; } 2>/dev/null
_bitrouter_look
_bitrouter_seen=("${_bitrouter_now[@]}")
{ [[ $_bitrouter_traced == *x* ]] && set -x; unset _bitrouter_traced; } 2>/dev/null
# Last, so that what others set at this prompt (direnv) is seen at this prompt.
if [[ "${PROMPT_COMMAND[*]:-}" != *_bitrouter_hook* ]]; then
  if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
    # An element of its own: every element begins with the exit status and the PIPESTATUS of the line before.
    if [[ "$(declare -p PROMPT_COMMAND 2>/dev/null)" == "declare -a"* ]]; then
      PROMPT_COMMAND+=(_bitrouter_hook)
    else
      PROMPT_COMMAND=("${PROMPT_COMMAND:-}" _bitrouter_hook)
    fi
  else
    _bitrouter_before=${PROMPT_COMMAND:-}
    while [[ $_bitrouter_before == *[$' \t\n;'] ]]; do _bitrouter_before=${_bitrouter_before%?}; done
    # A line of its own, since a comment may end the one before.
    if [[ -n $_bitrouter_before ]]; then _bitrouter_before+=$'\n'; fi
    PROMPT_COMMAND=${_bitrouter_before}_bitrouter_hook
    unset _bitrouter_before
  fi
fi
