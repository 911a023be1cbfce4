//! Provider keys that people bring (BYOK): sealed where they are known, kept sealed, opened for one call at a time.
//!
//! A key is sealed against the current key of the [`ring`], whose private halves are wrapped under the node's key → [`submit`]
//! opens it once, looks whether it can be one, forgets it, and keeps what was submitted, wrapped once more for this person, this
//! provider and this address → [`held`] has it in memory, sealed → the gateway asks for it by its port, and it is opened for the
//! call. [`changes`] is what was done, for those who want to know; [`replace`] is what new keys are sealed against from then on.

mod changes;
mod held;
mod replace;
mod ring;
mod submit;
mod wrap;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    held::HeldKeys,
    ring::Ring,
    submit::{Submission, SubmitError},
};
