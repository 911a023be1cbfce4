//! What an account is made of, defined once for the control API, the REST API and their clients: ids, scopes, names.
//!
//! * [`ids`]: who and what is meant, a type each.
//! * [`credential`]: what is stored of a sign-in.
//! * [`identity`]: who is signed in, as people and programs are told.
//! * [`scope`]: what a credential may do.
//! * [`name`]: how people call things.
//! * [`password`]: what one has to be.
//! * [`byok`]: provider keys that people bring; `seal`: how they are sealed.
//! * [`role`]: what a person may do in a namespace.
//! * [`everyday`]: what the short verbs show; [`dollars`]: money as they write it.
//! * [`resources`]: what servers show of them; [`ledger`]: what they show of calls and credit, in [`money`]; [`keys`]: API keys;
//!   [`oauth_clients`]: programs that ask people for tokens; [`policy`]: rules, what they are bound to, and what comes of them together; [`told`]: all that as other servers show it;
//!   `schema`: what JSON Schema says of it beyond types.

/// The server that sign-in goes to where nobody says another.
pub const DEFAULT_SERVER: &str = "https://api.bitrouter.ai";

/// The OAuth client that sign-in goes by where nobody says another: every server knows it.
pub const DEFAULT_CLIENT: &str = "bitrouter-cli";

/// What is said where an account is needed, and nobody is signed in to one. The command that helps stands beside it.
pub const NOT_SIGNED_IN: &str =
    "nobody is signed in to an account (`bitrouter auth login --local` signs in to your own node)";

/// How the hint begins where a key lacks a scope: a key gets no wider.
pub const WIDER_KEY: &str = "mint a wider key";

pub mod byok;
pub mod credential;
pub mod dollars;
pub mod everyday;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod lease;
pub mod ledger;
pub mod money;
pub mod name;
pub mod oauth_clients;
pub mod password;
pub mod policy;
pub mod resources;
pub mod role;
#[cfg(feature = "schema")]
pub mod schema;
pub mod scope;
#[cfg(feature = "seal")]
pub mod seal;
pub mod told;

pub use self::{
    dollars::Dollars,
    identity::{Authentication, Identity, TokenState, sign_in_command},
    ids::{
        BindingId, CredentialId, GrantId, KeyId, NamespaceId, OauthClientId, PersonId, PolicyId, RequestRowId,
        TransactionId,
    },
    lease::{RunModel, RunRefusals, RunSummary},
    ledger::{CallStatus, FundingSource, UsageOrigin},
    money::{AmountError, MicroUsd},
    name::{Name, NameError, folded, is_hidden, is_meaningless, is_of_marks},
    password::PasswordError,
    resources::{Account, List, Member, Namespace, Person, Session},
    role::Role,
    scope::{Scope, ScopeSet},
};
