//! `cloud`: the account that is signed in, one file a noun.

mod namespace;
mod whoami;

use clap::Subcommand;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

/// What `cloud` is about.
#[derive(Debug, Subcommand)]
pub(super) enum CloudNoun {
    /// Show who is signed in and which server is asked: no network, and no daemon needed
    Whoami,
    /// Namespaces of the account
    Namespace {
        #[command(subcommand)]
        verb: namespace::NamespaceVerb,
    },
}

pub(super) fn run(context: &Context, noun: &CloudNoun) -> Result<Status, Failure> {
    match noun {
        CloudNoun::Whoami => whoami::run(context),
        CloudNoun::Namespace { verb } => namespace::run(context, verb),
    }
}
