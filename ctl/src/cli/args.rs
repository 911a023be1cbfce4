//! The clap tree.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    auth::{AuthVerb, LoginArgs},
    cloud::CloudNoun,
    doctor::DoctorArgs,
    everyday::EverydayVerb,
    exec::ExecArgs,
    explain::ExplainArgs,
    node::NodeNoun,
    top::TopArgs,
};
use crate::{flags::ServeFlags, render::style::HELP};

/// The local agent for language-model access.
///
/// Without a verb: as `serve`, or, where a daemon already runs, its `status`.
#[derive(Debug, Parser)]
#[command(name = "bitrouter", version, styles = HELP)]
pub(super) struct Cli {
    /// Print JSON on standard output, and errors as JSON on standard error
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(super) json: bool,

    /// Talk to the daemon at this control socket [default: the one of this user, else the system's]
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    pub(super) socket: Option<PathBuf>,

    /// Start no daemon for a command that needs one
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(super) no_autostart: bool,

    #[command(subcommand)]
    pub(super) verb: Option<Verb>,
}

/// The heading of what every verb takes.
const GLOBAL: &str = "Global options";

/// Where each shell looks for completions.
const COMPLETIONS: &str = "\
Where to put it:
  bash  bitrouter completions bash > ~/.local/share/bash-completion/completions/bitrouter
  zsh   bitrouter completions zsh > \"${fpath[1]}/_bitrouter\"
  fish  bitrouter completions fish > ~/.config/fish/completions/bitrouter.fish

A new shell knows them.";

/// How each shell takes the hook.
const HOOK: &str = "\
What to add to the shell's own file:
  bash  ~/.bashrc                   eval \"$(bitrouter hook bash)\"
  zsh   ~/.zshrc                    eval \"$(bitrouter hook zsh)\"
  fish  ~/.config/fish/config.fish  bitrouter hook fish | source";

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the daemon in the foreground
    Serve {
        #[command(flatten)]
        flags: ServeFlags,
        /// What `serve` refuses, and its help need not show: where the socket lies follows from the environment.
        #[arg(long, hide = true, value_name = "PATH")]
        socket: Option<PathBuf>,
    },
    /// Run the daemon detached; returns when it answers
    Start(ServeFlags),
    /// End the daemon; returns when its process is gone
    Stop {
        /// How long running requests may take, like `1s` or `2m` [default: 30s]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// End the daemon and start it again with the same flags
    Restart {
        /// How long running requests may take, like `1s` or `2m` [default: 30s]
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
    Status {
        /// Show every provider, with everything that is known of its key
        #[arg(short, long)]
        all: bool,
    },
    /// Show the daemon's log, or change its level
    Logs(LogsArgs),
    /// Look at everything that can be wrong, and name the command that cures it
    Doctor(DoctorArgs),
    /// Show which programs call which models now: tokens a second, and cost
    Top(TopArgs),
    /// Show where a call would go, what binds it, whether it would be made, and what it can cost; no call is made
    Explain(ExplainArgs),
    /// Run a command with a key of its own: with a budget, for a time, revoked when it ends
    Exec(ExecArgs),
    /// Open the node's console in a browser
    Console {
        /// Only show the link
        #[arg(long)]
        no_open: bool,
    },
    /// Sign in to an account: as `auth login`, at `BITROUTER_API_URL` where that is set
    Login(LoginArgs),
    /// Sign out: as `auth logout`
    Logout(ServeFlags),
    #[command(flatten)]
    Everyday(EverydayVerb),
    /// Sign in to an account, sign out, and show who is signed in
    Auth {
        #[command(subcommand)]
        verb: AuthVerb,
    },
    /// Use the account that is signed in
    Cloud {
        #[command(subcommand)]
        noun: CloudNoun,
    },
    /// Manage the node, as its owner: people, namespaces, what they use
    Node {
        #[command(subcommand)]
        noun: NodeNoun,
    },
    /// Print the shell code that sends changed provider keys to the daemon
    #[command(after_help = HOOK)]
    Hook {
        /// The shell to print it for
        shell: HookShell,
    },
    /// Print shell completions
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell to print them for
        shell: clap_complete::Shell,
    },
}

/// What the shell hook calls. It stands beside the tree, so that no completion offers it.
#[derive(Debug, Parser)]
#[command(name = "bitrouter __push")]
pub(super) struct PushCli {
    /// As the hook was told
    #[arg(long)]
    pub(super) socket: Option<PathBuf>,
    /// An earlier try found no daemon and said so: say nothing now
    #[arg(long)]
    pub(super) again: bool,
    /// The variables that changed
    pub(super) names: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct LogsArgs {
    /// Follow new lines
    #[arg(short, long)]
    pub(super) follow: bool,

    /// Only this many of the newest lines [default: all that the daemon holds in memory]
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

/// Reads `1`, `1s`, `500ms`, `90m`, `1h 30m`, with spaces anywhere; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let compact: String = text.split_whitespace().collect();
    let seconds = compact.parse().ok().map(Duration::from_secs);
    seconds
        .or_else(|| bitrouter_proto::duration::parse(&compact))
        .ok_or_else(|| format!("`{text}` is not a duration; write it like `1s`, `90m` or `500ms`"))
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
