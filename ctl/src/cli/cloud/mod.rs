//! `cloud`: the account that is signed in, one file a noun.

mod local;
mod namespace;
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
}

pub(super) fn run(context: &Context, noun: &CloudNoun) -> Result<Status, Failure> {
    match noun {
        CloudNoun::Whoami { local } if local.local => local.whoami(context),
        CloudNoun::Whoami { .. } => whoami::run(context),
        CloudNoun::Namespace { verb } => namespace::run(context, verb),
    }
}
