# bitrouter: sends a provider key to the daemon when it changed in this shell.
typeset -ga _bitrouter_names _bitrouter_sockets _bitrouter_now _bitrouter_seen
_bitrouter_names=(@NAMES@)
_bitrouter_sockets=(@SOCKETS@)
_bitrouter_look() {
  { emulate -L zsh; unsetopt xtrace errexit errreturn; setopt unset } 2>/dev/null
  local name
  _bitrouter_now=()
  for name in $_bitrouter_names; do
    if [[ ${(Pt)name} == *export* ]]; then
      _bitrouter_now+=("${(P)name}")
    else
      _bitrouter_now+=('')
    fi
  done
}
# True where a daemon may be: something stands where its socket would. No process is made to find out.
_bitrouter_may_answer() {
  local socket
  if [[ -n $BITROUTER_SOCKET ]]; then [[ -S $BITROUTER_SOCKET ]]; return; fi
  for socket in $_bitrouter_sockets; do
    if [[ -S $socket ]]; then return 0; fi
  done
  return 1
}
# The program under the name it was called by; where an upgrade moved it away, what PATH finds now.
_bitrouter_push() {
  local program=@PROGRAM@
  if [[ $program == */* && ! -x $program ]]; then program=bitrouter; fi
  if [[ $program != */* ]]; then
    unhash $program 2>/dev/null
    if ! whence -p $program >/dev/null; then return 2; fi
  fi
  command $program __push @FLAGS@ $@
}
_bitrouter_hook() {
  # `set -x` would print the keys at every prompt; `set -e` would end the shell where no daemon answers.
  { emulate -L zsh; unsetopt xtrace errexit errreturn; setopt unset } 2>/dev/null
  local i IFS=$'\037'
  local -a changed again
  _bitrouter_look
  for (( i = 1; i <= $#_bitrouter_names; i++ )); do
    if [[ "$_bitrouter_now[i]" != "$_bitrouter_seen[i]" ]]; then
      changed+=("$_bitrouter_names[i]")
    fi
  done
  # What could not be sent is sent again once a daemon may answer, without another word.
  if [[ -n ${_bitrouter_unsent+x} && "${_bitrouter_now[*]}" == "$_bitrouter_unsent" ]]; then
    if _bitrouter_may_answer; then again=(--again); else changed=(); fi
  fi
  if (( $#changed > 0 )); then
    _bitrouter_push $again $changed
    case $? in
      2 | 126 | 127) typeset -g _bitrouter_unsent="${_bitrouter_now[*]}" ;;
      *) _bitrouter_seen=("${_bitrouter_now[@]}"); unset _bitrouter_unsent ;;
    esac
  fi
  return 0
}
() {
  { emulate -L zsh; unsetopt xtrace errexit errreturn } 2>/dev/null
  _bitrouter_look
  _bitrouter_seen=("${_bitrouter_now[@]}")
}
autoload -Uz add-zsh-hook
add-zsh-hook precmd _bitrouter_hook
