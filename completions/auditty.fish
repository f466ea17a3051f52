# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_auditty_global_optspecs
    string join \n config= journal= color= h/help V/version
end

function __fish_auditty_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_auditty_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_auditty_using_subcommand
    set -l cmd (__fish_auditty_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c auditty -n "__fish_auditty_needs_command" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_needs_command" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_needs_command" -s V -l version -d 'Print version'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "run" -d 'Run a command under audit'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "ls" -d 'List sessions, newest first'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "show" -d 'Show what is known about a session'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "replay" -d 'Play the output of a session'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "verify" -d 'Check that journals are whole and unchanged'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "export" -d 'Write a session in another format'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "import" -d 'Read a recording of another tool into a journal'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "search" -d 'Search the text of recorded sessions'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "recover" -d 'Mend the torn tail of a session that was cut off'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "expire" -d 'Remove sessions whose time is up, and say so in the host log'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "ctl" -d 'Watch and steer a running session'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "detect" -d 'Judge text by the rules and the model of the analysis'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "analyze" -d 'Serve as the AI server that sessions ask, with the rules and the model of the analysis'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "train" -d 'Train the analysis\' model'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "engines" -d 'List the engines'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "bench" -d 'Measure the engines on this machine'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "doctor" -d 'Check whether this machine is fit for auditing'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "config" -d 'Show and check the configuration'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c auditty -n "__fish_auditty_needs_command" -f -a "man" -d 'Print the manual page, or write all pages to a directory'
complete -c auditty -n "__fish_auditty_using_subcommand run" -l engine -d 'Drive the terminal with this engine instead of `audit.implementation`' -r
complete -c auditty -n "__fish_auditty_using_subcommand run" -l session-id -d 'Name the session: a UUID that no session has yet. One of another version than 1, 6 and 7 holds no time and is kept under `1970/01`; sessions are listed by the bytes of their names' -r
complete -c auditty -n "__fish_auditty_using_subcommand run" -l on-journal-failure -d 'What happens when the journal cannot be written' -r -f -a "closed\t'End the session'
open\t'Go on and say what is missing'
spill\t'Keep records in memory up to a limit, then end the session'"
complete -c auditty -n "__fish_auditty_using_subcommand run" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand run" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand run" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand run" -s q -l quiet -d 'Write nothing to the terminal but what must be seen'
complete -c auditty -n "__fish_auditty_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand ls" -l user -d 'Sessions of this user' -r
complete -c auditty -n "__fish_auditty_using_subcommand ls" -l since -d 'Sessions opened since this time: `2026-03-01`, `2026-03-01T12:00:00Z`, or a span such as `2h` or `7d` before now' -r
complete -c auditty -n "__fish_auditty_using_subcommand ls" -l state -d 'Sessions in this state' -r -f -a "active\t'Still being recorded'
complete\t'Ended and recorded to the end'
truncated\t'Cut off'
blocked\t'Being recorded, and waiting for a decision'"
complete -c auditty -n "__fish_auditty_using_subcommand ls" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand ls" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand ls" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand ls" -l json -d 'One JSON object a line'
complete -c auditty -n "__fish_auditty_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand show" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand show" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand show" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand show" -l json -d 'One JSON object'
complete -c auditty -n "__fish_auditty_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l speed -d 'Play this many times as fast' -r
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l max-idle -d 'Wait no longer than this between two events' -r
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l from -d 'Start this far into the session, with the screen as it was then' -r
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l follow -d 'Go on as the session goes on; not together with `--no-timing`'
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l no-timing -d 'Write everything at once; not together with `--follow`'
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l unverified -d 'Play a journal that fails verification'
complete -c auditty -n "__fish_auditty_using_subcommand replay" -l reveal-secrets -d 'Show secrets that the session showed, which otherwise stand as `*`; for root and the owner of the journal, or for root alone'
complete -c auditty -n "__fish_auditty_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand verify" -l key -d 'The public key sessions must be signed by, instead of the one the journal directory is known by; what nobody signed then fails too' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand verify" -l checkpoint -d 'A checkpoint of the host log that was kept elsewhere: the log must be a continuation of it. May be given several times' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand verify" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand verify" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand verify" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand verify" -l json -d 'One JSON object a line'
complete -c auditty -n "__fish_auditty_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand export" -s f -l format -d 'The format' -r -f -a "raw\t'The bytes of one stream, exact'
asciicast-v2\t'asciicast version 2'
asciicast-v3\t'asciicast version 3'
ttyrec\t'ttyrec frames'
script\t'The advanced timing format of script(1)'
jsonl\t'One JSON object a record, bytes exact'
text\t'Text without escape sequences'"
complete -c auditty -n "__fish_auditty_using_subcommand export" -l stream -d 'Which stream, where the format holds one' -r -f -a "output\t'What was shown'
input\t'What was typed'"
complete -c auditty -n "__fish_auditty_using_subcommand export" -s o -l output -d 'Write to this file instead of standard output. With the format `script`, a directory gets typescript, input and timing, as scriptreplay(1) plays them' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand export" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand export" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand export" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand export" -l unverified -d 'Export a journal that fails verification, as far as it can be read'
complete -c auditty -n "__fish_auditty_using_subcommand export" -l reveal-secrets -d 'Show secrets that the session showed, which otherwise stand as `*`; for root and the owner of the journal, or for root alone. `raw` is exact without this for who may see them'
complete -c auditty -n "__fish_auditty_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand import" -s f -l format -d 'Its format' -r -f -a "asciicast\t'asciicast, version 2 or 3'
ttyrec\t'ttyrec frames'"
complete -c auditty -n "__fish_auditty_using_subcommand import" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand import" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand import" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand search" -l session -d 'Only in this session' -r
complete -c auditty -n "__fish_auditty_using_subcommand search" -l stream -d 'Only in this stream' -r -f -a "output\t'What was shown'
input\t'What was typed'"
complete -c auditty -n "__fish_auditty_using_subcommand search" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand search" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand search" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand search" -l regex -d 'The pattern is a regular expression'
complete -c auditty -n "__fish_auditty_using_subcommand search" -l reveal-secrets -d 'Show secrets that the session showed, which otherwise stand as `*`; for root and the owner of the journal, or for root alone'
complete -c auditty -n "__fish_auditty_using_subcommand search" -l json -d 'One JSON object a line'
complete -c auditty -n "__fish_auditty_using_subcommand search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand recover" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand recover" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand recover" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand expire" -l before -d 'Every session that ended before this time: `2026-03-01`, `2026-03-01T12:00:00Z`, or a span such as `365d` before now' -r
complete -c auditty -n "__fish_auditty_using_subcommand expire" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand expire" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand expire" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand expire" -l dry-run -d 'Only print which sessions these are'
complete -c auditty -n "__fish_auditty_using_subcommand expire" -l unverified -d 'Remove sessions that fail verification too'
complete -c auditty -n "__fish_auditty_using_subcommand expire" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -l session -d 'Which session: an id or a unique prefix. Not needed when exactly one is running' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -f -a "status" -d 'Print how the session stands'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -f -a "block" -d 'Stop the session until somebody decides'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -f -a "approve" -d 'Let a blocked session go on'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -f -a "reject" -d 'End a blocked session'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and not __fish_seen_subcommand_from status block approve reject terminate" -f -a "terminate" -d 'End the session'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from status" -l session -d 'Which session: an id or a unique prefix. Not needed when exactly one is running' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from status" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from status" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from status" -l json -d 'One JSON object'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from block" -l reason -d 'Why' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from block" -l session -d 'Which session: an id or a unique prefix. Not needed when exactly one is running' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from block" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from block" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from block" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from block" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l comment -d 'What is said about it' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l session -d 'Which session: an id or a unique prefix. Not needed when exactly one is running' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from approve" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from reject" -l comment -d 'What is said about it' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from reject" -l session -d 'Which session: an id or a unique prefix. Not needed when exactly one is running' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from reject" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from reject" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from reject" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from reject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from terminate" -l session -d 'Which session: an id or a unique prefix. Not needed when exactly one is running' -r
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from terminate" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from terminate" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from terminate" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand ctl; and __fish_seen_subcommand_from terminate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand detect; and not __fish_seen_subcommand_from score explain" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand detect; and not __fish_seen_subcommand_from score explain" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand detect; and not __fish_seen_subcommand_from score explain" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand detect; and not __fish_seen_subcommand_from score explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand detect; and not __fish_seen_subcommand_from score explain" -f -a "score" -d 'Score records, one JSON object a line: `id`, `text`, and `kind`, all strings; `kind` is `command` or the name of what a session showed. Writes `id`, `score`, `spans` of secrets as offsets in characters, and `rules`'
complete -c auditty -n "__fish_auditty_using_subcommand detect; and not __fish_seen_subcommand_from score explain" -f -a "explain" -d 'Say why a command line gets the score it gets'
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from score" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from score" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from score" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from score" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from explain" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from explain" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from explain" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand detect; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l listen -d 'Listen here; port 0 takes any that is free' -r
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l connections -d 'No more connections at a time than this' -r
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l backend -d 'What judges' -r -f -a "local\t'The rules and the model of this program'
llm\t'A language model behind an HTTP service'"
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l interface -d 'Interface of the language model\'s service' -r -f -a "anthropic\t'Anthropic\'s Messages'
openai\t'Chat completions as OpenAI and many local servers speak them'"
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l llm-url -d 'Whole address of the language model\'s service, `https://HOST:PORT/PATH` or `http://…`' -r -f
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l llm-ca-file -d 'Trust the certificates in this file (PEM) with `https://`, in place of those this system trusts' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l llm-model -d 'Name of the language model' -r
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l key-file -d 'Read the service\'s key from this file' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l key-env -d 'Read the service\'s key from this environment variable' -r
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l budget -d 'Ask the language model no more often than this in an hour; what it said before costs nothing' -r
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l llm-timeout -d 'Wait no longer than this for the language model, in seconds' -r
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand analyze" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand train" -s o -l out -d 'Where the model is written' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand train" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand train" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand train" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand train" -l left-out -d 'Write no model, but score each command by models that were not trained on its source, one JSON object a line'
complete -c auditty -n "__fish_auditty_using_subcommand train" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand engines" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand engines" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand engines" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand engines" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l engines -d 'Which engines: `all`, or names separated by commas' -r
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l rounds -d 'How often everything is run; ratios are medians over the rounds' -r
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l size -d 'How much output is pushed through each session, from `64KiB` to `1GiB`' -r
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l keys -d 'How many keys are typed in each session' -r
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l dir -d 'Where the journals are kept while it runs; they are removed afterwards' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand bench" -l json -d 'One JSON object a line, one line a run'
complete -c auditty -n "__fish_auditty_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand doctor" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand doctor" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand doctor" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand config; and not __fish_seen_subcommand_from show check default" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand config; and not __fish_seen_subcommand_from show check default" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand config; and not __fish_seen_subcommand_from show check default" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand config; and not __fish_seen_subcommand_from show check default" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand config; and not __fish_seen_subcommand_from show check default" -f -a "show" -d 'Print the settings in effect'
complete -c auditty -n "__fish_auditty_using_subcommand config; and not __fish_seen_subcommand_from show check default" -f -a "check" -d 'Check a file, or every layer in effect'
complete -c auditty -n "__fish_auditty_using_subcommand config; and not __fish_seen_subcommand_from show check default" -f -a "default" -d 'Print a file with every key and its built-in value'
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from show" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Say where each was made'
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from check" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from check" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from default" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from default" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from default" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand config; and __fish_seen_subcommand_from default" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand completions" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand completions" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand completions" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c auditty -n "__fish_auditty_using_subcommand man" -l config -d 'Read this configuration file after the system\'s and the user\'s' -r -F
complete -c auditty -n "__fish_auditty_using_subcommand man" -l journal -d 'Keep or find sessions in this directory instead of `journal.dir`' -r -f -a "(__fish_complete_directories)"
complete -c auditty -n "__fish_auditty_using_subcommand man" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c auditty -n "__fish_auditty_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
