# bitrouter: sends a provider key to the daemon when it changed in this shell.
set -g _bitrouter_names @NAMES@
set -g _bitrouter_sockets @SOCKETS@
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
# True where a daemon may be: something stands where its socket would. No process is made to find out.
function _bitrouter_may_answer
    if test -n "$BITROUTER_SOCKET"
        test -S "$BITROUTER_SOCKET"
        return
    end
    for socket in $_bitrouter_sockets
        if test -S $socket
            return 0
        end
    end
    return 1
end
# The program under the name it was called by; where an upgrade moved it away, what PATH finds now.
function _bitrouter_push
    set -l program @PROGRAM@
    if string match -q '*/*' -- $program; and not test -x $program
        set program bitrouter
    end
    if not string match -q '*/*' -- $program; and not type -q -f $program
        return 2
    end
    command $program __push @FLAGS@ $argv
end
function _bitrouter_tick
    set -l changed
    set -l again
    _bitrouter_look
    set -l i 1
    for name in $_bitrouter_names
        if test "$_bitrouter_now[$i]" != "$_bitrouter_seen[$i]"
            set -a changed $name
        end
        set i (math $i + 1)
    end
    # What could not be sent is sent again once a daemon may answer, without another word.
    if set -q _bitrouter_unsent; and test "$_bitrouter_now" = "$_bitrouter_unsent"
        if _bitrouter_may_answer
            set again --again
        else
            set changed
        end
    end
    if test (count $changed) -gt 0
        _bitrouter_push $again $changed
        switch $status
            case 2 126 127
                set -g _bitrouter_unsent $_bitrouter_now
            case '*'
                set -g _bitrouter_seen $_bitrouter_now
                set -e _bitrouter_unsent
        end
    end
end
function _bitrouter_hook --on-event fish_prompt
    set -l before $status
    _bitrouter_tick
    return $before
end
# What another program sets at a prompt after us is seen before the next line runs.
function _bitrouter_late --on-event fish_preexec
    _bitrouter_tick
end
_bitrouter_look
set -g _bitrouter_seen $_bitrouter_now
true
