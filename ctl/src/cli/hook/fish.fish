# bitrouter: sends a provider key to the daemon when it changed in this shell.
set -g _bitrouter_names @NAMES@
function _bitrouter_look
    set -g _bitrouter_now
    for name in $_bitrouter_names
        if set -qx $name
            set -a _bitrouter_now "$$name"
        else
            set -a _bitrouter_now ''
        end
    end
end
function _bitrouter_hook --on-event fish_prompt
    set -l before $status
    set -l changed
    _bitrouter_look
    set -l i 1
    for name in $_bitrouter_names
        if test "$_bitrouter_now[$i]" != "$_bitrouter_seen[$i]"
            set -a changed $name
        end
        set i (math $i + 1)
    end
    if test (count $changed) -gt 0
        set -g _bitrouter_seen $_bitrouter_now
        command @PROGRAM@ __push $changed
    end
    return $before
end
_bitrouter_look
set -g _bitrouter_seen $_bitrouter_now
