//! From start to end: parse → bind → ready → run → drain, one function per step.
//!
//! [`serve`] is the sequence; [`parse`], [`bind_all`], [`ready`], [`running`] and [`drain`] are its steps; [`options`] what
//! it is asked, [`error`] how it fails at the edge, [`examine`] what a start would find. [`lock`] makes it the only one, [`socket`] guards the control socket's
//! place, [`passed`] takes sockets from a service manager, [`self_check`] says whether we answer, by [`probe`],
//! [`signals`] listens, [`hardening`] keeps memory private, [`idle_memory`] gives back what an idle daemon does not
//! use, [`banner`] greets people. [`detach`] is the only place that forks, and `serve` never does; the child reports over
//! [`ready_pipe`].

mod banner;
mod bind_all;
mod detach;
mod drain;
mod error;
mod examine;
mod hardening;
mod idle_memory;
mod lock;
mod options;
mod parse;
mod passed;
mod probe;
mod ready;
mod ready_pipe;
mod running;
mod self_check;
mod serve;
mod signals;
mod socket;
mod state_file;

pub use detach::{Detached, detach};
pub use error::ServeError;
pub use examine::{Examined, examine, port_holder, port_stranger};
pub(crate) use lock::InstanceLock;
pub use lock::holder;
pub use options::ServeOptions;
pub use parse::check;
pub(crate) use parse::settings;
pub use ready_pipe::Started;
pub use serve::serve;
