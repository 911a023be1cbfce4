//! The command line: the clap tree, and one file per verb.

mod args;
mod auth;
mod cloud;
mod completions;
mod confirm;
mod console;
mod doctor;
mod everyday;
mod exec;
mod expiry;
mod explain;
mod hook;
mod identity;
mod json_file;
mod key_text;
mod logs;
mod misuse;
mod node;
mod password;
mod push;
mod reader;
mod reload;
mod restart;
mod secret_line;
mod serve;
mod start;
mod status;
mod stop;
mod tokenroute;
mod top;
mod typing;
mod window;

use std::{ffi::OsString, path::PathBuf};

use bitrouter_proto::{
    codes::exit,
    env::{self, Environment},
};
use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::{
    context::Context,
    exit::{Failure, Status},
    name::Name,
    render::Printer,
};
use args::{Cli, PushCli, Verb};
use everyday::EverydayVerb;

/// The word that the shell hook calls us with.
const PUSH: &str = "__push";

/// Parses, runs, and maps the end to an exit status.
pub(crate) fn run(args: &[OsString], environment: Environment) -> Status {
    if Name::of(&program(args)) == Name::Tokenroute {
        return tokenroute::run(args, environment);
    }
    if args.get(1).is_some_and(|word| word == PUSH) {
        return pushed(args, environment);
    }
    if args.get(1).is_some_and(|word| word == completions::COMPLETE) {
        return completed(args, environment);
    }
    let wants_json = is_set(&environment, Name::Bitrouter.json_variable());
    let wants_no_autostart = is_set(&environment, env::BITROUTER_NO_AUTOSTART);
    let cli = match Cli::try_parse_from(misuse::without_help_of_help(args)) {
        Ok(cli) => cli,
        Err(error) => {
            let json = wants_json || args.iter().any(|arg| arg == "--json");
            return misunderstood(&error, args, &tree(), Printer::new(json, &environment));
        }
    };
    let printer = Printer::new(cli.json || wants_json, &environment);
    let no_autostart = cli.no_autostart || wants_no_autostart;
    let context = Context { program: program(args), environment, socket: cli.socket, no_autostart, printer };
    end(&context, cli.verb.as_ref().is_none_or(|verb| needs_home(&context, verb)), || dispatch(&context, cli.verb))
}

/// A variable that says yes.
fn is_set(environment: &Environment, name: &str) -> bool {
    environment.text(name).is_some_and(|value| value != "0" && value != "false")
}

/// The hook's call: it speaks to people at their prompt, whatever they want of other commands.
fn pushed(args: &[OsString], environment: Environment) -> Status {
    let printer = Printer::new(false, &environment);
    match PushCli::try_parse_from(&args[1..]) {
        Ok(cli) => {
            let context =
                Context { program: program(args), environment, socket: cli.socket, no_autostart: true, printer };
            end(&context, context.socket.is_none(), || Ok(push::run(&context, &cli.names, cli.again)))
        }
        Err(error) => misunderstood(&error, args, &tree(), printer),
    }
}

/// A shell's call, for what may stand at a place: it speaks to the shell.
fn completed(args: &[OsString], environment: Environment) -> Status {
    let words: Vec<String> = args.iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
    let printer = Printer::new(false, &environment);
    let context = Context { program: program(args), environment, socket: None, no_autostart: true, printer };
    match borrowed_home(&context.environment) {
        Ok(()) => completions::answer(&context, &words),
        Err(_) => Status(exit::OK),
    }
}

fn program(args: &[OsString]) -> PathBuf {
    args.first().map(PathBuf::from).unwrap_or_default()
}

fn end(context: &Context, needs_home: bool, verb: impl FnOnce() -> Result<Status, Failure>) -> Status {
    let checked = if needs_home { borrowed_home(&context.environment) } else { Ok(()) };
    checked.and_then(|()| verb()).unwrap_or_else(|failure| context.printer.failure(&failure))
}

fn dispatch(context: &Context, verb: Option<Verb>) -> Result<Status, Failure> {
    match verb {
        None => serve::bare(context),
        Some(Verb::Serve { flags, .. }) => serve::foreground(context, &flags),
        Some(Verb::Start(flags)) => start::run(context, &flags),
        Some(Verb::Stop { timeout }) => stop::run(context, timeout),
        Some(Verb::Restart { timeout, flags }) => restart::run(context, timeout, &flags),
        Some(Verb::Reload { forget }) => reload::run(context, &forget),
        Some(Verb::Status { all }) => status::run(context, all),
        Some(Verb::Logs(args)) => logs::run(context, &args),
        Some(Verb::Doctor(args)) => doctor::run(context, &args),
        Some(Verb::Top(args)) => top::run(context, &args),
        Some(Verb::Explain(args)) => explain::run(context, &args),
        Some(Verb::Exec(args)) => exec::run(context, &args),
        Some(Verb::Console { no_open }) => console::run(context, no_open),
        Some(Verb::Login(args)) => auth::login::run(context, &args, "login", everyday::server(context)),
        Some(Verb::Logout(flags)) => auth::logout::run(context, &flags, "logout", everyday::server(context).as_deref()),
        Some(Verb::Everyday(verb)) => everyday::run(context, &verb),
        Some(Verb::Auth { verb }) => auth::run(context, verb),
        Some(Verb::Cloud { noun }) => cloud::run(context, &noun),
        Some(Verb::Node { noun }) => node::run(context, &noun),
        Some(Verb::Hook { shell }) => hook::run(context, shell),
        Some(Verb::Completions { shell }) => completions::run(context, shell),
    }
}

/// Help and version go to standard output; everything else is the caller's mistake.
fn misunderstood(error: &clap::Error, args: &[OsString], tree: &clap::Command, printer: Printer) -> Status {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        if printer.json && error.kind() == ErrorKind::DisplayVersion {
            return match printer.json(&serde_json::json!({ "version": bitrouter_proto::VERSION })) {
                Ok(()) => Status(exit::OK),
                Err(failure) => printer.failure(&failure),
            };
        }
        return match printer.help(&error.render().ansi().to_string()) {
            Ok(()) => Status(exit::OK),
            Err(failure) => printer.failure(&failure),
        };
    }
    printer.failure(&misuse::failure(error, args, tree))
}

/// Whether a verb looks below `HOME` or writes there: not where it only prints, or talks to the socket it was told.
fn needs_home(context: &Context, verb: &Verb) -> bool {
    match verb {
        // What is wrong with `HOME` is for the doctor to say.
        Verb::Completions { .. } | Verb::Hook { .. } | Verb::Doctor(_) | Verb::Everyday(EverydayVerb::Version) => false,
        Verb::Stop { .. }
        | Verb::Reload { .. }
        | Verb::Status { .. }
        | Verb::Logs(_)
        | Verb::Top(_)
        | Verb::Explain(_)
        | Verb::Console { .. }
        | Verb::Node { .. } => context.socket.is_none(),
        // The account's may start a daemon, or read what one left.
        Verb::Serve { .. }
        | Verb::Start(_)
        | Verb::Restart { .. }
        | Verb::Login(_)
        | Verb::Logout(_)
        | Verb::Everyday(_)
        | Verb::Auth { .. }
        | Verb::Cloud { .. }
        | Verb::Exec(_) => true,
    }
}

/// Refuses `sudo bitrouter` that kept somebody else's `HOME`: root would leave files there that the owner cannot use.
fn borrowed_home(environment: &Environment) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Some(home) = environment.path(env::HOME) else { return Ok(()) };
    match std::fs::metadata(&home) {
        Ok(meta) if meta.uid() != 0 => {
            let message = format!(
                "you are root, but `HOME` is `{}`, which belongs to uid {}; leave out sudo, or let it set `HOME`",
                home.display(),
                meta.uid()
            );
            Err(Failure::caller("foreign_home", message).hint("sudo -H bitrouter"))
        }
        _ => Ok(()),
    }
}

/// The clap tree, for completions and for the reference pages.
pub(crate) fn tree() -> clap::Command {
    Cli::command()
}
