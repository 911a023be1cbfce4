//! The clap tree.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::flags::ServeFlags;

/// The local agent for language-model access.
///
/// Without a verb: as `serve`, or, where a daemon already runs, its `status`.
#[derive(Debug, Parser)]
#[command(name = "bitrouter", version)]
pub(super) struct Cli {
    /// Print JSON on standard output, and errors as JSON on standard error
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Talk to the daemon at this control socket
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the daemon in the foreground
    Serve(ServeFlags),
    /// Run the daemon detached; returns when it answers
    Start(ServeFlags),
    /// End the daemon; returns when its process is gone
    Stop {
        /// How long running requests may take (`1`, `1s`, `2m`)
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// End the daemon and start it again with the same flags
    Restart {
        /// How long running requests may take (`1`, `1s`, `2m`)
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
        #[command(flatten)]
        flags: ServeFlags,
    },
    /// Send this shell's provider keys and read config, env files and registry again
    Reload {
        /// Hide this variable everywhere until it is pushed again (repeatable)
        #[arg(long, value_name = "NAME")]
        forget: Vec<String>,
    },
    /// Show what runs, where keys come from, and what is wrong
    Status,
    /// Show the daemon's log, or change its level
    Logs(LogsArgs),
    /// Print the shell code that sends changed provider keys to the daemon
    Hook {
        /// The shell to print it for
        shell: HookShell,
    },
    /// Send the named variables of this process; the shell hook calls it
    #[command(name = "__push", hide = true)]
    Push { names: Vec<String> },
    /// Print shell completions
    Completions {
        /// The shell to print them for
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
pub(super) struct LogsArgs {
    /// Follow new lines
    #[arg(short, long)]
    pub(super) follow: bool,

    /// Only this many of the newest lines
    #[arg(short = 'n', long, value_name = "LINES")]
    pub(super) tail: Option<u32>,

    /// Change the daemon's log level
    #[arg(long, value_name = "LEVEL", value_parser = ["trace", "debug", "info", "warn", "error"])]
    pub(super) level: Option<String>,
}

/// Shells with a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HookShell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

/// Parses `1`, `1s`, `500ms`, `90m`, `1h 30m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write it like `1s`, `90m` or `500ms`");
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if compact.is_empty() {
        return Err(wrong());
    }
    if let Ok(seconds) = compact.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = compact.as_str();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis = match &rest[..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        total = total.saturating_add(Duration::from_millis(number.saturating_mul(millis)));
        rest = &rest[unit..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in
            [("1", 1_000), ("1s", 1_000), ("500ms", 500), ("1h 30m", 5_400_000), ("30d", 2_592_000_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "x", "1y", "s", "1s2"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_tree_is_sound_and_json_stands_on_either_side() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["bitrouter", "--json", "status"]).unwrap().json);
        assert!(Cli::try_parse_from(["bitrouter", "status", "--json"]).unwrap().json);
    }
}
