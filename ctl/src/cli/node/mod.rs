//! `node`: what the node keeps, one file a noun. Every verb acts for the node's owner.

mod backup;
mod byok;
mod credit;
mod journal;
mod keys;
mod member;
mod namespace;
mod usage;
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
    /// Who else may do what in a namespace
    Member {
        #[command(subcommand)]
        verb: member::MemberVerb,
    },
    /// The operator's keys, which read what every namespace has used, and the metrics
    Keys {
        #[command(subcommand)]
        verb: keys::KeysVerb,
    },
    /// What provider keys are sealed against, and what was done with those that are stored
    Byok {
        #[command(subcommand)]
        verb: byok::ByokVerb,
    },
    /// The people who sign in to the node
    User {
        #[command(subcommand)]
        verb: user::UserVerb,
    },
    /// Show what the calls of a time have used, namespace by namespace
    Usage(usage::UsageArgs),
    /// Credit of the people of the node
    Credit {
        #[command(subcommand)]
        verb: credit::CreditVerb,
    },
    /// Copy the node's database while it is used
    Backup(backup::BackupArgs),
    /// Put a copy in the place of the node's database, or revoke again in one that was put back; no daemon may run
    Restore(backup::RestoreArgs),
    /// The journal of calls
    Journal {
        #[command(subcommand)]
        verb: journal::JournalVerb,
    },
}

pub(super) fn run(context: &Context, noun: &NodeNoun) -> Result<Status, Failure> {
    match noun {
        NodeNoun::Namespace { verb } => namespace::run(context, verb),
        NodeNoun::Member { verb } => member::run(context, verb),
        NodeNoun::Keys { verb } => keys::run(context, verb),
        NodeNoun::Byok { verb } => byok::run(context, verb),
        NodeNoun::User { verb } => user::run(context, verb),
        NodeNoun::Usage(args) => usage::run(context, args),
        NodeNoun::Credit { verb } => credit::run(context, verb),
        NodeNoun::Backup(args) => backup::back_up(context, args),
        NodeNoun::Restore(args) => backup::restore(context, args),
        NodeNoun::Journal { verb } => journal::run(context, verb),
    }
}
