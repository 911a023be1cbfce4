//! From a model name to the provider that serves it. Pure: no keys, no network, no clock.
//!
//! The rules, in order: `p:m` names a provider explicitly; an alias; `p/m`; the whole string in some active provider's
//! list. What remains is refused with what would help: variables to set, or names that are near.

mod candidates;
mod resolver;
mod suggest;

pub use self::{
    resolver::{Names, Route, RouteRefusal},
    suggest::suggestions,
};
