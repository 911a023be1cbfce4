//! The account's own provider in this daemon: it follows the session, and knows what the account's server lists.
//!
//! * [`follow`] is the task: a session that comes, changes or ends is in the next snapshot; the list is asked for in time.
//! * [`schedule`] says when the list is asked for (pure), [`list`] holds what came of it.
//! * [`shown`] is what `status` says of the provider (pure).
//!
//! Whether a credential is good, and how it is renewed, is `credentials`' business; snapshots are made by `reload`.

mod follow;
mod list;
mod schedule;
mod shown;

pub(crate) use self::{follow::AccountProvider, list::AccountList, shown::shown};
