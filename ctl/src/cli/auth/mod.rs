//! `auth`: who this machine is to an account, one file a verb.

pub(super) mod login;
pub(super) mod logout;
mod progress;
mod whoami;

use clap::Subcommand;

pub(super) use login::LoginArgs;

use crate::{
    context::Context,
    exit::{Failure, Status},
    flags::ServeFlags,
};

#[derive(Debug, Subcommand)]
pub(super) enum AuthVerb {
    /// Sign in: with a code in a browser, with a key, or to the node of this daemon
    Login(LoginArgs),
    /// Revoke the session and delete the credential
    Logout(ServeFlags),
    /// Show the session: no network, and no daemon needed
    Whoami,
}

pub(super) fn run(context: &Context, verb: AuthVerb) -> Result<Status, Failure> {
    match verb {
        AuthVerb::Login(args) => login::run(context, &args, "auth login", None),
        AuthVerb::Logout(flags) => logout::run(context, &flags, "auth logout", None),
        AuthVerb::Whoami => whoami::run(context),
    }
}
