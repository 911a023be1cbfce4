//! The thin client: find a daemon's socket, check whose it is, speak to it.
//!
//! [`locate`] names the candidates and verifies ownership, [`channel`] is one HTTP/2 connection over the verified
//! socket, [`calls`] are the typed calls ([`namespaces`] and
//! [`people`] those of the node, [`account`] those of the account, [`usage`], [`billing`] and [`node`] those about calls and
//! credit, [`keys`], [`byok`], [`policies`], [`budgets`], [`presets`], [`sessions`], [`oauth_clients`] and [`members`] those about what they are named for,
//! [`everyday`] those of the short verbs, of whoever is [`asked`], whose [`documents`] they read; [`completion`] is for shells,
//! [`explain`] for whoever thinks of a call, [`doctor`] for whoever looks for what is wrong, [`activity`] for whoever watches who
//! calls), [`distrust`] is what is believed of an answer, [`error`] is what can go wrong
//! and what the user does next. It needs no thread and nothing that serving needs: `bitrouter status` is mostly process
//! start.

mod account;
mod activity;
mod asked;
mod billing;
mod budgets;
mod byok;
mod calls;
mod channel;
mod completion;
mod distrust;
mod doctor;
mod documents;
mod error;
mod everyday;
mod explain;
mod keys;
mod leases;
mod locate;
mod members;
mod namespaces;
mod node;
mod oauth_clients;
mod people;
mod policies;
mod presets;
mod sessions;
mod usage;

pub use account::{AccountKey, AccountNamespaces, LoggedOut, Login, LoginCode, LoginEvent, LoginEvents, WhoAmI};
pub use activity::ActivityFeed;
pub use asked::{Asked, Told};
pub use billing::{CheckedOut, Granted};
pub use budgets::{BudgetChange, NewBudget};
pub use calls::{Client, Logs, PATIENCE};
pub use completion::{Completed, Completion};
pub use doctor::CheckedProvider;
pub use documents::IdempotencyKey;
pub use error::{ClientError, Refusal, UnresponsiveCause};
pub use everyday::{Begun, Made};
pub use explain::Question;
pub use keys::Minted;
pub use leases::{LeaseClaim, LeaseEvent, LeaseEvents, NewLease, OpenedLease};
pub use locate::{Located, Search, candidates, lock_is_held, named, read_daemon_json, search, verify};
pub use node::{Backup, NamedNodeUsage};
pub use oauth_clients::Registered;
pub use people::ConsoleLink;
pub use policies::{NewPolicy, PolicyChange, PrincipalRef};
pub use presets::{Clauses, PresetChange};
pub use usage::{Begin, CallEvent, CallEvents, Rows, Window};
