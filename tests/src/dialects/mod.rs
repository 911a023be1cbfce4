//! Scripted providers that behave as the real ones do, in four dialects: they answer in the recorded shapes, whole and
//! streamed, and refuse what the real ones refuse. One file a dialect; what is said is decided once, in [`turn`] and
//! [`mind`], so that a whole answer and its streamed twin say and count the same.
//!
//! ```no_run
//! use bitrouter_tests::{Provider, dialects::{Script, Turn, Vendor, messages}};
//!
//! // A provider that answers as Anthropic does, in CRLF and seven bytes at a time:
//! let provider = Provider::start();
//! Vendor::Anthropic.play(&provider, &Script::new().crlf().cut_every(7));
//! // What the model's name says is done: `refuse-429`, `break`, `truncate`, `hang-up`, `stall`; any other
//! // name answers.
//!
//! // Or the events alone, to be cut, stalled or broken after the n-th:
//! let events = messages::events(&Turn::sample(), "m");
//! ```
//!
//! It must never know how the daemon does anything.

pub mod chat;
mod chat_read;
pub mod event;
pub mod google;
mod google_read;
pub mod messages;
mod messages_read;
pub mod mind;
pub mod openai_shapes;
pub mod refusal;
pub mod responses;
mod responses_read;
mod responses_store;
pub mod script;
pub mod turn;
pub mod vendor;

pub use event::{Event, Newline};
pub use mind::Asked;
pub use refusal::Refusal;
pub use script::Script;
pub use turn::{Call, Stop, Thought, Turn, Usage};
pub use vendor::Vendor;

#[cfg(test)]
mod twins;
