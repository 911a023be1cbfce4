//! `cloud`: the account that is signed in, one file a noun.

mod advice;
mod billing;
mod budget;
mod byok;
mod call_text;
mod follow;
mod keys;
mod local;
mod namespace;
mod oauth_client;
mod pages;
mod policy;
mod preset;
mod requests;
mod sessions;
mod target;
mod usage;
mod whoami;

use clap::Subcommand;

pub(super) use self::local::LocalFlags;
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
    /// API keys of the namespace
    Keys {
        #[command(subcommand)]
        verb: keys::KeysVerb,
    },
    /// Programs that are signed in to the namespace
    Sessions {
        #[command(subcommand)]
        verb: sessions::SessionsVerb,
    },
    /// Programs that may ask the people of the namespace for tokens
    OauthClient {
        #[command(subcommand)]
        verb: oauth_client::OauthClientVerb,
    },
    /// Rules of the namespace, and what they are bound to
    Policy {
        #[command(subcommand)]
        verb: policy::PolicyVerb,
    },
    /// How much may be spent: policies of that kind
    Budget {
        #[command(subcommand)]
        verb: budget::BudgetVerb,
    },
    /// A guardrail, a budget and a rate limit under one name: policies of that kind
    Preset {
        #[command(subcommand)]
        verb: preset::PresetVerb,
    },
    /// Provider keys of your own, which pay for calls in all your namespaces
    Byok {
        #[command(subcommand)]
        verb: byok::ByokVerb,
    },
    /// Credit: what is left, what changed it, and how to add to it
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
        CloudNoun::Keys { verb } => keys::run(context, verb),
        CloudNoun::Sessions { verb } => sessions::run(context, verb),
        CloudNoun::OauthClient { verb } => oauth_client::run(context, verb),
        CloudNoun::Policy { verb } => policy::run(context, verb),
        CloudNoun::Budget { verb } => budget::run(context, verb),
        CloudNoun::Preset { verb } => preset::run(context, verb),
        CloudNoun::Byok { verb } => byok::run(context, verb),
        CloudNoun::Billing { verb } => billing::run(context, verb),
    }
}
