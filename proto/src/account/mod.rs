//! What an account is made of, defined once for the control API, the REST API and their clients: ids, scopes, names.
//!
//! * [`ids`]: who and what is meant, a type each.
//! * [`scope`]: what a credential may do.
//! * [`name`]: how people call things.
//! * [`resources`]: what servers show of them.

pub mod ids;
pub mod name;
pub mod resources;
pub mod scope;

pub use self::{
    ids::{CredentialId, GrantId, NamespaceId, PersonId},
    name::{Name, NameError, is_hidden},
    resources::{Account, List, Namespace, Person, Session},
    scope::{Scope, ScopeSet},
};
