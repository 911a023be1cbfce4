//! The node: the self-hosted control plane that every daemon carries. It signs people in, bakes a namespace into each
//! token, and keeps who owns what.
//!
//! It is mounted and never binds: the listener hands it a request with a [`http::Visitor`] (who asks, from where), and
//! gets a reply. It knows no path but the directory that it is given.
//!
//! The journey of a request: [`Node::answer`] → [`http`] finds the endpoint in its table, reads the body within bounds,
//! and starts a task of its own that the connection only waits for → [`oauth`] (tokens), [`api`] (REST) or `web` (pages) →
//! [`people`] and [`store`], which holds the only SQL → a reply. The journey of a token on the inference path:
//! [`Node::judge`] → `oauth::live`, from memory.
//!
//! * `backup`, and `opening::restore`: a copy of the database, and its way back.
//! * [`ledger`]: one row for each call that costs, by way of a journal.
//! * [`limits`]: what budgets, rates and credit count, in memory.
//! * [`keys`]: API keys, in memory as tokens are.
//! * `byok`: provider keys that people bring, sealed.
//! * [`leases`]: keys for one run of a program.
//! * `away`: a database that cannot be reached.
//! * `roles`: who is what in which namespace, in memory. [`policy`]: what rules say, pure;
//!   [`limits`]: what budgets, rates and credit count; `enforcement`: what all of it makes of calls.
//! * [`clock`]: the only clocks. [`secret`]: the node's key, tokens, random numbers. [`settings`]: what can be configured.
//! * [`store`]: engine, migrations, one file of queries a noun.
#![warn(missing_docs)]

mod api;
mod away;
mod backup;
mod billing;
mod byok;
pub mod clock;
mod enforcement;
pub mod http;
pub mod keys;
pub mod leases;
pub mod ledger;
pub mod limits;
mod node;
pub mod oauth;
mod openapi;
mod opening;
pub mod outbound;
pub mod people;
pub mod policy;
mod principals;
mod revocations;
mod roles;
mod room;
pub mod secret;
pub mod settings;
mod steady;
pub mod store;
mod warnings;
pub mod web;

pub use self::{
    backup::{Backup, BackupError},
    enforcement::{InForce, InForceError, PolicyInForce},
    ledger::Ledger,
    node::{Interrupted, Node, NodeOptions},
    oauth::{OwnRefreshError, OwnRevokeError, OwnSignInError, OwnTokens},
    opening::{
        FilesStamp, Filesystem, Machine, OpenError, RestoreError, Restored, is_bound, restore, restore_in_place,
    },
    revocations::{LogError, Revocation, Revoked, RevokedLine},
    settings::{ByokSettings, CreditRule, OauthSettings, Settings, StripeSettings},
    store::{PostgresUrl, PostgresUrlError, TakeError},
    warnings::NodeWarning,
};
