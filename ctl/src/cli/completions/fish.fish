
function __fish_bitrouter_asked
    set -l words (commandline -opc)
    command $words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null </dev/null
end
complete -c bitrouter -f -k -n 'not __fish_seen_subcommand_from backup restore' -a '(__fish_bitrouter_asked)'
