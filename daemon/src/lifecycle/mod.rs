//! From start to end: parse → bind → ready → run → drain, one function per step.
//!
//! [`serve`] is the sequence, [`parse`] its first step, [`running`] its two last ones; [`options`] what it is asked,
//! [`error`] how it fails at the edge. [`lock`] makes it the only one, [`socket`] guards the control socket's place,
//! [`passed`] takes sockets from a service manager, [`notify`] and [`manager`] report to it, [`signals`] listens,
//! [`hardening`] keeps memory private, [`probe`] asks ourselves whether we answer, [`banner`] greets people. [`detach`] is
//! the only place that forks, and `serve` never does.

mod banner;
mod detach;
mod drain;
mod error;
mod hardening;
mod lock;
mod manager;
mod notify;
mod options;
mod parse;
mod passed;
mod probe;
mod running;
mod serve;
mod signals;
mod socket;
mod state_file;

pub use detach::{Detached, Started, detach};
pub use error::ServeError;
pub use lock::holder;
pub use notify::Notifier;
pub use options::ServeOptions;
pub use parse::check;
pub use serve::serve;
