# bitrouter: sends a provider key to the daemon when it changed in this shell.
typeset -ga _bitrouter_names _bitrouter_now _bitrouter_seen
_bitrouter_names=(@NAMES@)
_bitrouter_look() {
  { emulate -L zsh; unsetopt xtrace } 2>/dev/null
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
_bitrouter_hook() {
  # `set -x` would print the keys at every prompt.
  { emulate -L zsh; unsetopt xtrace } 2>/dev/null
  local i
  local -a changed
  _bitrouter_look
  for (( i = 1; i <= $#_bitrouter_names; i++ )); do
    if [[ "$_bitrouter_now[i]" != "$_bitrouter_seen[i]" ]]; then
      changed+=("$_bitrouter_names[i]")
    fi
  done
  if (( $#changed > 0 )); then
    _bitrouter_seen=("${_bitrouter_now[@]}")
    command @PROGRAM@ __push $changed
  fi
}
() {
  { emulate -L zsh; unsetopt xtrace } 2>/dev/null
  _bitrouter_look
  _bitrouter_seen=("${_bitrouter_now[@]}")
}
autoload -Uz add-zsh-hook
add-zsh-hook precmd _bitrouter_hook
