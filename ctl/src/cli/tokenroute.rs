//! The command line under the name `tokenroute`: the everyday verbs and no others, with that program's variables, its key
//! cache and its server. The daemon keeps the credential, as it does for `bitrouter`; there is no other file of it.

use std::{ffi::OsString, path::PathBuf};

use bitrouter_proto::env::{self, Environment};
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use super::{
    auth::{login, logout},
    everyday::{self, EverydayVerb},
    misuse, program,
};
use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    name::Name,
    render::{Printer, style::HELP},
};

/// What the environment can say.
const ENVIRONMENT: &str = "\
Environment:
  TOKENROUTE_JSON=1    As --json
  TOKENROUTE_API_URL   The gateway's base URL [default: https://api.tokenroute.io]
  TOKENROUTE_API_KEY   A key for calls: `env`, `test` and `models` go with it, and need no login

The last key that was created is kept in ~/.tokenroute/last_key.txt, readable by its owner only. The session is kept by the
daemon of bitrouter, which these commands start where none runs: `bitrouter status` shows it.

Exit codes: 0 success; 1 a mistake of the caller's (a 4xx, no key, not logged in); 2 network; 3 the server (a 5xx, a login
that came to nothing).";

/// Your account at a tokenroute gateway, from a terminal or an AI agent.
#[derive(Debug, Parser)]
#[command(name = "tokenroute", version, styles = HELP, after_help = ENVIRONMENT)]
struct TokenrouteCli {
    /// Machine-parseable JSON output, errors too
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,

    /// Talk to the daemon at this control socket [default: the one of this user, else the system's]
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    socket: Option<PathBuf>,

    /// Start no daemon for a command that needs one
    #[arg(long, global = true, help_heading = GLOBAL)]
    no_autostart: bool,

    #[command(subcommand)]
    verb: TokenrouteVerb,
}

/// The heading of what every verb takes.
const GLOBAL: &str = "Global options";

#[derive(Debug, Subcommand)]
enum TokenrouteVerb {
    /// Log in: opens your browser, and waits until you authorize
    Login(TokenrouteLogin),
    /// Revoke the session where the server can do that, and forget the credentials
    Logout(ServeFlags),
    #[command(flatten)]
    Everyday(EverydayVerb),
}

#[derive(Args, Debug)]
struct TokenrouteLogin {
    /// Only show the URL
    #[arg(long)]
    no_browser: bool,

    /// Log in to this daemon's own node, as its owner and without a browser
    #[arg(long)]
    local: bool,

    /// The namespace to log in to, by id or name [default: the node's first one]
    #[arg(long, value_name = "NAMESPACE", requires = "local")]
    namespace: Option<String>,

    #[command(flatten, next_help_heading = "Where a daemon is started for it")]
    daemon: ServeFlags,
}

/// Parses, runs, and maps the end to an exit status.
pub(super) fn run(args: &[OsString], environment: Environment) -> Status {
    let wants_json = super::is_set(&environment, Name::Tokenroute.json_variable());
    let cli = match TokenrouteCli::try_parse_from(misuse::without_help_of_help(args)) {
        Ok(cli) => cli,
        Err(error) => {
            let json = wants_json || args.iter().any(|arg| arg == "--json");
            return super::misunderstood(&error, args, &tree(), Printer::new(json, &environment));
        }
    };
    let printer = Printer::new(cli.json || wants_json, &environment);
    let no_autostart = cli.no_autostart || super::is_set(&environment, env::BITROUTER_NO_AUTOSTART);
    let context = Context { program: program(args), environment, socket: cli.socket, no_autostart, printer };
    let needs_home = !matches!(cli.verb, TokenrouteVerb::Everyday(EverydayVerb::Version));
    super::end(&context, needs_home, || dispatch(&context, cli.verb))
}

fn dispatch(context: &Context, verb: TokenrouteVerb) -> Result<Status, Failure> {
    match verb {
        TokenrouteVerb::Login(args) => {
            let TokenrouteLogin { no_browser, local, namespace, daemon } = args;
            let args = login::LoginArgs::plain(no_browser, local, namespace, daemon);
            login::run(context, &args, "login", everyday::server(context))
        }
        TokenrouteVerb::Logout(flags) => logout::run(context, &flags, "logout", everyday::server(context).as_deref()),
        TokenrouteVerb::Everyday(verb) => everyday::run(context, &verb),
    }
}

/// The clap tree.
fn tree() -> clap::Command {
    TokenrouteCli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_of_its_reference_is_understood() {
        tree().debug_assert();
        for line in [
            "login",
            "logout",
            "whoami --json",
            "--json whoami",
            "keys create --name fieryeye --json",
            "keys create -n x --no-cache",
            "keys list",
            "keys revoke 17",
            "balance --json",
            "topup --amount 5 --json",
            "topup -a 5 --no-open",
            "topup --amount 5 --open",
            "usage --days 7 --json",
            "usage -d 365",
            "env",
            "env --key sk-tr-x",
            "test -m openai/gpt-4o-mini -k sk-tr-x",
            "test --model X",
            "models --json",
            "version",
        ] {
            let words = std::iter::once("tokenroute").chain(line.split_whitespace());
            assert!(TokenrouteCli::try_parse_from(words).is_ok(), "{line}");
        }
        for line in [
            "",
            "serve",
            "usage --days 0",
            "usage --days 366",
            "topup",
            "topup --amount x",
            "topup -a 5 --open --no-open",
            "keys create",
        ] {
            let words = std::iter::once("tokenroute").chain(line.split_whitespace());
            assert!(TokenrouteCli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
