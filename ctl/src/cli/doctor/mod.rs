//! `doctor`: looks at everything that can be wrong, and names the command that cures it.
//!
//! [`check`] is one look and how it is shown; [`daemon`] looks at the running daemon and what it says of itself, [`places`] at
//! directories, sockets and the clock, [`start`] at what a start would find, [`account`] at the credential file, [`unit`] at
//! the service manager. Nothing is changed, and nothing but `--online` has anybody ask the network.

mod account;
mod check;
mod daemon;
mod places;
mod start;
mod unit;

use bitrouter_proto::{
    client::{Client, ClientError},
    codes::exit,
    paths::Places,
};
use clap::Args;
use serde_json::json;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Also have the daemon ask each provider in use for its list of models
    #[arg(long)]
    pub(super) online: bool,
}

/// Exit 1 where something does not work; what only could be better is no failure.
pub(super) fn run(context: &Context, args: &DoctorArgs) -> Result<Status, Failure> {
    let mut checks = Vec::new();
    let places = Places::of(&context.environment);
    checks.push(places::home(&places));
    checks.push(places::program(context));
    let places = places.ok();
    let seen = context.wait(async {
        let found = context.connect().await;
        let mut checks = vec![daemon::answers(&found)];
        if let Ok(client) = &found {
            checks.extend(daemon::told(client));
            checks.extend(daemon::shell_keys(context, client).await);
            if args.online {
                checks.extend(daemon::providers(client).await);
            }
        } else if args.online {
            checks.push(daemon::cannot_ask());
        }
        Ok((found, checks))
    });
    let (found, told) = seen?;
    checks.extend(told);
    checks.extend(places::control_socket(context));
    checks.extend(places.as_ref().map(places::directories));
    checks.extend(start::checks(context, running(&found)));
    checks.extend(places.as_ref().map(account::file));
    checks.push(places::clock(found.as_ref().ok().map(Client::status)));
    checks.push(unit::check(context));
    check::sort(&mut checks);
    context.printer.json(&json!({ "checks": checks }))?;
    context.printer.stdout(&check::text(&checks))?;
    Ok(Status(if checks.iter().any(check::Check::fails) { exit::CALLER } else { exit::OK }))
}

/// The daemon whose settings and ports are this user's.
fn running(found: &Result<Client, ClientError>) -> Option<&Client> {
    found.as_ref().ok().filter(|client| !client.is_foreign())
}
