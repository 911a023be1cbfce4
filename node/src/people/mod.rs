//! Persons: who they are, how they show it, what goes when they go.
//!
//! * `credit`: given by the operator.
//! * `verbs`: add, set a password, list, remove, as the operator does.
//! * `sign_in`: a name and a password become a person, after [`lockout`](self) and in the turn of `hashing`.
//! * [`namespaces`]: made, renamed and deleted by their owner; `members`: with whom they are shared.
//! * `password`: what is kept of a password, and whether one fits.

mod credit;
mod hashing;
mod lockout;
pub(crate) mod members;
pub mod namespaces;
mod password;
pub(crate) mod sign_in;
mod verbs;

pub(crate) use self::verbs::welcome;
pub use self::{
    credit::{CreditError, CreditGrant},
    hashing::Busy,
    lockout::Locked,
    members::MemberError,
    password::Password,
    verbs::PeopleError,
};

/// What is known of tries to sign in, until the next start.
#[derive(Debug, Default)]
pub(crate) struct State {
    lockout: lockout::LockOut,
    hashing: hashing::Hashing,
}
