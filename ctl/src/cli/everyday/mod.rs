//! The short verbs that a person or a coding agent types, one file each; under the name `tokenroute` there are no others.
//!
//! [`whom`] says which server a verb asks; [`endpoint`] which key a call goes with and which address that key opens;
//! [`key_cache`] keeps the last key that was made.

mod address;
mod balance;
mod endpoint;
mod env;
mod key_cache;
mod keys;
mod models;
mod test;
mod topup;
mod usage;
mod version;
mod whoami;
mod whom;

use clap::Subcommand;

pub(super) use self::{
    address::same_server,
    key_cache::{forget, looks_secret},
    whom::{advised, server},
};
use self::{env::EnvArgs, keys::KeysVerb, models::ModelsArgs, test::TestArgs, topup::TopupArgs, usage::UsageArgs};
use crate::{
    context::Context,
    exit::{Failure, Status},
};

/// The verbs but those that sign in and out.
#[derive(Debug, Subcommand)]
pub(super) enum EverydayVerb {
    /// Show who is signed in, and the balance: works offline too
    Whoami(whoami::WhoamiArgs),
    /// API keys for calls
    Keys {
        #[command(subcommand)]
        verb: KeysVerb,
    },
    /// Show what is left of the credit
    Balance(balance::BalanceArgs),
    /// Get the URL of a checkout that adds credit; nothing is paid by this command
    Topup(TopupArgs),
    /// Sum up the last days: requests, tokens and cost, of calls that succeeded
    Usage(UsageArgs),
    /// Output OPENAI_API_KEY=… and OPENAI_BASE_URL=… for a .env file or a shell
    #[command(after_help = env::EXAMPLES)]
    Env(EnvArgs),
    /// Send a tiny chat completion, to see that address and key work end to end
    Test(TestArgs),
    /// List the models that can be reached: context, price, capabilities
    Models(ModelsArgs),
    /// Show the version
    Version,
}

pub(super) fn run(context: &Context, verb: &EverydayVerb) -> Result<Status, Failure> {
    match verb {
        EverydayVerb::Whoami(args) => whoami::run(context, args),
        EverydayVerb::Keys { verb } => keys::run(context, verb),
        EverydayVerb::Balance(args) => balance::run(context, args),
        EverydayVerb::Topup(args) => topup::run(context, args),
        EverydayVerb::Usage(args) => usage::run(context, args),
        EverydayVerb::Env(args) => env::run(context, args),
        EverydayVerb::Test(args) => test::run(context, args),
        EverydayVerb::Models(args) => models::run(context, args),
        EverydayVerb::Version => version::run(context),
    }
}
