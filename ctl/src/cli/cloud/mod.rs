//! `cloud`: the account that is signed in, one file a noun.

mod billing;
mod call_text;
mod follow;
mod local;
mod namespace;
mod pages;
mod requests;
mod target;
mod usage;
mod whoami;

use clap::Subcommand;

use self::local::LocalFlags;
use crate::{
    context::Context,
    exit::{Failure, Status},
};

/// What `cloud` is about.
#[derive(Debug, Subcommand)]
pub(super) enum CloudNoun {
    /// Show who is signed in and which server is asked: no network, and no daemon needed
    Whoami {
        #[command(flatten)]
        local: LocalFlags,
    },
    /// Namespaces of the account
    Namespace {
        #[command(subcommand)]
        verb: namespace::NamespaceVerb,
    },
    /// Show what the calls of a time have used: tokens and money
    Usage(usage::UsageArgs),
    /// List calls, the newest first, show one in full, or follow them
    Requests(requests::RequestsArgs),
    /// Credit: what is left, and what changed it
    Billing {
        #[command(subcommand)]
        verb: billing::BillingVerb,
    },
}

pub(super) fn run(context: &Context, noun: &CloudNoun) -> Result<Status, Failure> {
    match noun {
        CloudNoun::Whoami { local } if local.local => local.whoami(context),
        CloudNoun::Whoami { .. } => whoami::run(context),
        CloudNoun::Namespace { verb } => namespace::run(context, verb),
        CloudNoun::Usage(args) => usage::run(context, args),
        CloudNoun::Requests(args) => requests::run(context, args),
        CloudNoun::Billing { verb } => billing::run(context, verb),
    }
}
