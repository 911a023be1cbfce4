//! Policies, pure: what one may say, what several come to together, and what that means for a request. No clock, no database,
//! no HTTP.
//!
//! * [`spec`]: reads and checks what a policy says; [`fields`] takes its JSON apart, [`pattern`] looks at regular expressions.
//! * [`globs`]: patterns for models; [`overlap`]: what two of them have in common.
//! * [`principal`]: what policies are bound to.
//! * [`combine`]: all that is in force, as one. [`decide`]: what that makes of a request, [`verdicts`]: what it
//!   has said of models.
//! * [`loosen`]: whether a change takes something back.

pub mod combine;
pub mod decide;
mod fields;
pub mod globs;
pub mod loosen;
mod overlap;
mod pattern;
pub mod principal;
pub mod spec;
mod verdicts;

#[cfg(test)]
mod samples;

/// The most policies of a namespace.
pub(crate) const MOST_POLICIES: i64 = 1_000;

pub use self::{
    combine::{Bound, Combined},
    fields::{Path, SpecError},
    principal::PrincipalId,
    spec::Spec,
};
