//! Leases: a key for one run of a program, with what it may spend and call. Its policies go with it, and so do its open calls.
//!
//! Whoever runs the program holds the lease ([`LeaseHold`]). A lease that nobody holds, since the connection broke or the node
//! was opened anew, can be claimed for a while; then it ends, as it does when it expires, when somebody revokes its key, and
//! when whoever runs the program says so.
//!
//! * `open`: key, policies and lease in one transaction. `end`: the way back, and what the run used.
//! * `held`: who holds which, in memory. `keeper`: the task that ends what is to end.
//! * `run`: the calls with one key, as the gateway sees them.

mod end;
mod held;
mod keeper;
mod open;
mod run;
#[cfg(test)]
mod tests;

use bitrouter_proto::account::NameError;

pub(crate) use self::{held::Leases, run::LeaseRun};
pub use self::{
    held::{IsGone, LeaseHold},
    open::{NewLease, OpenedLease},
};
use crate::{keys::KeyError, ledger::Stopped, policy::SpecError, store::StoreError};

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// It cannot be called so.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No policy can say so.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// It would be over at once, or in a time that nobody waits for.
    #[error("a lease lasts from one second to 366 days")]
    Lasts,
    /// Its namespace has as many policies as it may have.
    #[error("the namespace has too many policies for those of another run; delete some first")]
    TooManyPolicies,
    /// No key was minted.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its policies cannot be put in force.
    #[error(
        "what the key is bound to could not be put in force, so that the key was revoked; `bitrouter logs` says more"
    )]
    NotInForce,
    /// There is none with this id and this secret.
    #[error("there is no such lease")]
    Absent,
    /// It has ended.
    #[error("the lease has ended, and its key opens nothing any more")]
    Over,
    /// What its calls have used cannot be read.
    #[error("what the run has used cannot be read: {0}")]
    Unread(#[from] Stopped),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
