//! `exec`: a command with a key of its own, which ends with it: what it spends, calls and outlives is bounded.
//!
//! * `grant`: the key, of the own node ([`lease`]) or, where that is off, of the account ([`account`]).
//! * [`variables`]: what the command finds in its environment. [`command`]: the command as a child, [`signals`]: what is passed
//!   on to it. [`used`]: what is told of it in the end.

mod account;
mod command;
mod grant;
mod lease;
mod signals;
mod used;
mod variables;

use std::{ffi::OsString, time::Duration};

use bitrouter_proto::{
    account::{AmountError, MicroUsd},
    client::Client,
    duration,
};
use clap::Args;
use signal_hook::consts::SIGINT;

use self::{
    command::{Ended, Running},
    grant::Grant,
    signals::Signals,
};
use crate::{
    cli::misuse::misused,
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
    interrupt::Interrupt,
    launch, local_daemon,
};

/// How long a run lasts where nobody says.
const USUAL: Duration = Duration::from_hours(24);
/// The longest that one may last.
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// The most characters of the command's name in that of its key.
const SHOWN: usize = 64;

#[derive(Args, Debug)]
pub(super) struct ExecArgs {
    /// What its calls may cost in all, in US dollars, like `2.00` [default: no limit]
    #[arg(long, value_name = "USD", value_parser = dollars, allow_negative_numbers = true)]
    budget_usd: Option<MicroUsd>,

    /// How long its key is good at most, like `1h` or `30m` [default: 24h]
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    lasts: Option<Duration>,

    /// The models that may be called, like `anthropic/*` [default: all]
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    models: Vec<String>,

    /// What to call its key [default: `exec`, and the command]
    #[arg(long)]
    name: Option<String>,

    /// The namespace of the own node that its calls are made in, by id or name [default: the first one]
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    #[command(flatten)]
    daemon: ServeFlags,

    /// The command and its arguments, behind `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What a run is given, whoever gives it.
struct Wanted {
    name: String,
    budget: Option<MicroUsd>,
    models: Vec<String>,
    lasts: Duration,
}

impl ExecArgs {
    fn wanted(&self) -> Wanted {
        let name = self.name.clone().unwrap_or_else(|| usual_name(self.command.first()));
        let (budget, models) = (self.budget_usd, self.models.clone());
        Wanted { name, budget, models, lasts: self.lasts.unwrap_or(USUAL) }
    }
}

/// What a key is called for which no name is given: the command, as far as it can stand in a name.
fn usual_name(command: Option<&OsString>) -> String {
    let path = command.map(std::path::Path::new);
    let base = path.and_then(|path| path.file_name()).unwrap_or_default().to_string_lossy().into_owned();
    let plain = |c: &char| c.is_ascii_graphic();
    format!("exec {}", base.chars().filter(plain).take(SHOWN).collect::<String>()).trim_end().to_owned()
}

pub(super) fn run(context: &Context, args: &ExecArgs) -> Result<Status, Failure> {
    let Some((program, rest)) = args.command.split_first().filter(|(program, _)| !program.is_empty()) else {
        return Err(misused("exec", "there is no command behind `--`"));
    };
    if let Some(ended) = launch::ensure_daemon(context, &args.daemon, "exec")? {
        return Ok(ended);
    }
    let wanted = args.wanted();
    context.block_on(async {
        // To the end: without it a Ctrl-C that is the command's would end us.
        let interrupt = (!signals::is_ignored(SIGINT)).then(Interrupt::listen).transpose()?;
        let pressed = async {
            match &interrupt {
                Some(interrupt) => interrupt.pressed().await,
                None => std::future::pending().await,
            }
        };
        let granted = async {
            let client = own_daemon(context).await?;
            let known = client.variable_names(local_daemon::shipped_variable_names).await?;
            Ok::<_, Failure>((Grant::begin(context, client, &wanted, args.namespace.as_deref()).await?, known))
        };
        let (mut grant, known) = tokio::select! {
            granted = granted => granted?,
            // A lease whose stream is dropped ends, since its process does.
            () = pressed => return Err(Failure::interrupted()),
        };
        grant.tell_beginning(context, &wanted);
        let changes = variables::changes(&context.environment, &known, grant.address(), grant.key());
        let ended = async {
            // Before the command runs: from then on they are its own.
            let mut signals = Signals::listen()?;
            let mut running = Running::begin(program, rest, &changes)?;
            Ok(watch(context, &mut grant, &mut signals, &mut running).await)
        };
        let ended: Result<Ended, Failure> = ended.await;
        let used = grant.end(context).await;
        let ended = ended?;
        used::tell(context, &grant, &wanted, &used, ended);
        Ok(Status(ended.exit()))
    })
}

/// Waits for the command, passes signals on to it, and sees to it that its key stays good.
async fn watch(context: &Context, grant: &mut Grant, signals: &mut Signals, running: &mut Running) -> Ended {
    loop {
        tokio::select! {
            ended = running.ended() => return ended,
            Some(signal) = signals.next() => signal.pass_on(running),
            note = grant.watch(context) => context.printer.stderr(&format!("note: {note}")),
        }
    }
}

/// The daemon that runs, where it is this user's: a key of its own is told to no other.
async fn own_daemon(context: &Context) -> Result<Client, Failure> {
    let client = context.connect().await?;
    if client.is_foreign() {
        let message = "this daemon belongs to another user, and only that user's commands are given its keys";
        return Err(Failure::caller("foreign_daemon", message));
    }
    Ok(client)
}

fn dollars(text: &str) -> Result<MicroUsd, String> {
    MicroUsd::parse_dollars(text).map_err(|error: AmountError| error.to_string())
}

fn length(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        None => Err(format!("`{text}` is no duration; write it like `1h`, `30m` or `90s`")),
        Some(length) if length < Duration::from_secs(1) => Err("it must last for a second at least".to_owned()),
        Some(length) if length > LONGEST => Err("it may last for 366 days at most".to_owned()),
        Some(length) => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ExecArgs,
    }

    fn parse(words: &str) -> Result<ExecArgs, clap::Error> {
        Line::try_parse_from(std::iter::once("exec").chain(words.split_whitespace())).map(|line| line.args)
    }

    #[test]
    fn what_stands_behind_the_dashes_is_the_commands() {
        let args = parse("--budget-usd 2.00 --for 1h --models openai/* anthropic/* -- claude --json -p x").unwrap();
        assert_eq!(args.command, ["claude", "--json", "-p", "x"]);
        let Wanted { name, budget, models, lasts } = args.wanted();
        assert_eq!((name.as_str(), budget), ("exec claude", Some(MicroUsd::new(2_000_000))));
        assert_eq!((models.len(), lasts), (2, Duration::from_hours(1)));
        let bare = parse("-- /usr/bin/env").unwrap().wanted();
        assert_eq!((bare.name.as_str(), bare.budget, bare.lasts), ("exec env", None, USUAL));
    }

    #[test]
    fn what_bounds_nothing_is_a_mistake() {
        for words in [
            "",
            "claude",
            "--",
            "--budget-usd 0 -- x",
            "--budget-usd -1 -- x",
            "--budget-usd x -- x",
            "--budget-usd 0.0000001 -- x",
            "--for 0s -- x",
            "--for 1 -- x",
            "--for 400d -- x",
            "--models -- x",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }

    #[test]
    fn a_key_is_named_after_its_command() {
        let name = |text: &str| usual_name(Some(&OsString::from(text)));
        assert_eq!(name("./my script\u{1b}[2J"), "exec myscript[2J");
        assert_eq!(name(".."), "exec");
        assert_eq!(name(&"x".repeat(500)).len(), 5 + SHOWN);
    }
}
