//! The command line: the clap tree, and one file per verb.

mod args;
mod completions;
mod hook;
mod logs;
mod push;
mod reload;
mod restart;
mod serve;
mod start;
mod status;
mod stop;

use std::ffi::OsString;

use bitrouter_proto::{
    codes::exit,
    env::{self, Environment},
};
use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::{
    context::Context,
    exit::{Failure, Status},
    render::Printer,
};
use args::{Cli, Verb};

/// Parses, runs, and maps the end to an exit status.
pub(crate) fn run(args: &[OsString], environment: Environment) -> Status {
    let wants_json = environment.text(env::BITROUTER_JSON).is_some_and(|value| value != "0" && value != "false");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let json = wants_json || args.iter().any(|arg| arg == "--json");
            return misunderstood(&error, Printer { json });
        }
    };
    let printer = Printer { json: cli.json || wants_json };
    let context = Context { environment, socket: cli.socket, printer };
    let checked = if needs_home(&context, cli.verb.as_ref()) { borrowed_home(&context.environment) } else { Ok(()) };
    match checked.and_then(|()| dispatch(&context, cli.verb)) {
        Ok(status) => status,
        Err(failure) => printer.failure(&failure),
    }
}

fn dispatch(context: &Context, verb: Option<Verb>) -> Result<Status, Failure> {
    match verb {
        None => serve::bare(context),
        Some(Verb::Serve(flags)) => serve::foreground(context, &flags),
        Some(Verb::Start(flags)) => start::run(context, &flags, "start"),
        Some(Verb::Stop { timeout }) => stop::run(context, timeout),
        Some(Verb::Restart { timeout, flags }) => restart::run(context, timeout, &flags),
        Some(Verb::Reload { forget }) => reload::run(context, &forget),
        Some(Verb::Status) => status::run(context),
        Some(Verb::Logs(args)) => logs::run(context, &args),
        Some(Verb::Hook { shell }) => hook::run(context, shell),
        Some(Verb::Push { names }) => push::run(context, &names),
        Some(Verb::Completions { shell }) => completions::run(context, shell),
    }
}

/// Help and version go to standard output; everything else is the caller's mistake.
fn misunderstood(error: &clap::Error, printer: Printer) -> Status {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match printer.raw(&text) {
            Ok(()) => Status(exit::OK),
            Err(failure) => printer.failure(&failure),
        };
    }
    let first = text.lines().next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let more: Vec<&str> = text.lines().skip(1).take_while(|line| !line.starts_with("Usage:")).map(str::trim).collect();
    // Where to read on is said by our own hint.
    let more = more.into_iter().filter(|line| !line.starts_with("For more information"));
    let more: Vec<&str> = more.map(|line| line.strip_prefix("tip: ").unwrap_or(line)).collect();
    let parts = [vec![message.as_str()], more].concat();
    let message = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    printer.failure(&Failure::caller("bad_argument", message).hint("bitrouter --help"))
}

/// Whether a verb looks below `HOME` or writes there: not where it only prints, or talks to the socket it was told.
fn needs_home(context: &Context, verb: Option<&Verb>) -> bool {
    match verb {
        Some(Verb::Completions { .. } | Verb::Hook { .. }) => false,
        Some(Verb::Stop { .. } | Verb::Reload { .. } | Verb::Status | Verb::Logs(_) | Verb::Push { .. }) => {
            context.socket.is_none()
        }
        None | Some(Verb::Serve(_) | Verb::Start(_) | Verb::Restart { .. }) => true,
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
