//! `node`: what the node keeps, one file a noun. Every verb acts for the node's owner.

mod namespace;
mod user;

use clap::Subcommand;

pub(super) use self::namespace::named;
use crate::{
    context::Context,
    exit::{Failure, Status},
};

/// What `node` is about.
#[derive(Debug, Subcommand)]
pub(super) enum NodeNoun {
    /// Namespaces: what tokens, usage and rules belong to
    Namespace {
        #[command(subcommand)]
        verb: namespace::NamespaceVerb,
    },
    /// The people who sign in to the node
    User {
        #[command(subcommand)]
        verb: user::UserVerb,
    },
}

pub(super) fn run(context: &Context, noun: &NodeNoun) -> Result<Status, Failure> {
    match noun {
        NodeNoun::Namespace { verb } => namespace::run(context, verb),
        NodeNoun::User { verb } => user::run(context, verb),
    }
}
