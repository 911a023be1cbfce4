//! The database: the only place with SQL.
//!
//! One schema and one set of queries, in SQL that SQLite and PostgreSQL both read; [`engine`] is the thin seam behind which
//! the connections of one engine lie. [`migrate`] brings a database to this release. One file of queries a noun.
//!
//! Whoever writes takes [`Store::write`], one at a time; a transaction is passed down, the pool never is.

mod access_tokens;
mod accounts;
mod api_keys;
mod authorization_codes;
mod byok;
mod checkouts;
mod condition;
mod copy;
mod device_codes;
pub(crate) mod engine;
mod error;
mod grants;
mod idempotency;
mod leases;
pub(crate) mod ledger;
mod members;
mod migrate;
mod namespaces;
mod node_row;
mod oauth_clients;
mod people;
mod place;
mod policies;
mod postgres_url;
mod principals;
mod refresh_tokens;
mod restored;
mod revocations;
pub(crate) mod sign_in_addresses;
mod sweep;
mod times;
mod web_sessions;

#[cfg(test)]
pub(crate) use self::byok::Misplaced;
pub(crate) use self::engine::LinkState;
use self::engine::{columns, execute, execute_bound, fetch_all, fetch_all_bound, fetch_optional};
pub(crate) use self::{
    access_tokens::AccessTokenRow,
    accounts::AccountRow,
    api_keys::ApiKeyRow,
    authorization_codes::AuthorizationCodeRow,
    byok::{ByokChangeRow, ByokRow, ByokUse, KekRow},
    checkouts::{CheckoutRow, ReversalRow},
    condition::{Condition, condition, damage},
    copy::{contradiction, copy, fold_log, revoked_seq},
    device_codes::Outstanding,
    idempotency::IdempotencyRow,
    leases::LeaseRow,
    members::MemberRow,
    migrate::migrate,
    oauth_clients::OauthClientRow,
    policies::{BindingRow, PolicyRow, in_force},
    principals::{GrantLink, KeyLink},
    refresh_tokens::RefreshTokenRow,
    restored::mark_restored,
    sweep::sweep,
    times::{admit_now, holds_sessions, newest_record, note_time},
};
pub use self::{
    device_codes::{Approval, CodeState, DeviceCodeRow},
    engine::{Holder, Queryable, Read, Store, TakeError, Write},
    error::StoreError,
    grants::{EndReason, GrantRow},
    migrate::{MigrateError, NEWEST},
    namespaces::NamespaceRow,
    node_row::NodeRow,
    people::PersonRow,
    postgres_url::{PostgresUrl, PostgresUrlError},
    web_sessions::{Door, MadeBy, WebSessionRow},
};
