//! From start to end: parse → bind → ready → run → drain, one function per step.
//!
//! [`serve`] is the sequence, [`running`] its two last steps; [`options`] what it is asked, [`error`] how it fails at the edge. [`lock`] makes it the
//! only one, [`socket`] finds and guards the control socket's place, [`passed`] takes sockets from a service manager,
//! [`notify`] reports to it, [`signals`] listens, [`hardening`] keeps memory private, [`probe`] asks ourselves whether
//! we answer, [`banner`] greets people. [`detach`] is the only place that forks, and `serve` never does.

mod banner;
mod detach;
mod drain;
mod error;
mod hardening;
mod lock;
mod notify;
mod options;
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
pub use serve::serve;
