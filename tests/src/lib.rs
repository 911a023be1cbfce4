//! The harness: the only way in which a test starts the binary. It sees nothing of ours but `target/release/bitrouter`
//! and the public contract in `bitrouter-proto`; it must never know how the daemon does anything.
//!
//! A test reads like this:
//!
//! ```no_run
//! use bitrouter_tests::{Provider, World};
//!
//! let world = World::new();                                  // private HOME and XDG, own uid, trapped network
//! let key = world.canary("openai");                          // a secret that must turn up nowhere but upstream
//! let provider = Provider::start();                          // a scripted provider on loopback
//! world.config(&provider.as_openai());                       // [providers.openai] base_url = …
//! let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
//! let answer = daemon.http().post("/v1/chat/completions").json(r#"{"model":"openai:m","messages":[]}"#).send();
//! assert_eq!(answer.status, 200);
//! assert_eq!(provider.exchange(0).request.model(), "m");
//! world.cli(["status", "--json"]).expect_code(0);
//! ```
//!
//! * [`World`] isolates: directories of mode 0700 under a short path (`sun_path` is 107 bytes), an environment that
//!   starts empty, an ordinary uid even when the tests run as root, a [`network_trap`] behind `HTTPS_PROXY` that fails the
//!   test when anything but loopback is contacted, and [`canary`] secrets that fail the test when they turn up in a
//!   file, on stdout or on stderr. These checks run when the last handle on the world goes.
//! * [`daemon`] starts `serve` in the foreground ([`World::serve`]) or looks at a detached one ([`World::detached`]).
//! * [`command`] runs the command line once: [`World::cli`] for the usual case, [`World::command`] for odd ones.
//! * [`provider`] is the scripted upstream: it records requests byte for byte and answers with steps: bytes, cuts,
//!   resets, stalls, gates that the test opens.
//! * [`dialects`] makes it speak as Anthropic, Google and OpenAI do, refusals included, whole and streamed.
//! * [`issuer`] is an authorization server that breaks any rule on demand, with the account behind it.
//! * [`tokenroute`] is a server of that kind, whose tokens another address issues.
//! * [`http`] is a plain HTTP/1.1 caller whose socket belongs to whom the test says, that tells a complete answer from a
//!   truncated one.
//! * [`wait`] waits on conditions with a deadline. Nothing here sleeps to synchronise.
//! * [`InferenceFixture`] is the usual cast of an inference test in one line; [`logs`] reads the daemon's JSON log.
//! * A test that its module names in `bitrouter_test_postgres::once_more_on_postgres!` runs a second time, with the node of its
//!   worlds on a PostgreSQL database of their own.
//! * [`ledger`] reads rows and sums as a program with a token does.
//! * [`procfs`] reads what the kernel says of a process, [`kernel_tables`] what it says of sockets; [`traced`] records
//!   what a daemon did with them; [`sign_in`] gets a token of the node; [`sdk`] runs the Python scripts of `tests/sdk`.
#![expect(clippy::expect_used, reason = "a harness fails the test by panicking, at the caller's line")]

pub mod as_uid;
pub mod browser;
pub mod canary;
pub mod command;
pub mod control;
pub mod daemon;
pub mod descriptors;
pub mod dialects;
pub mod fake_daemon;
pub mod hostile;
pub mod http;
pub mod inference_fixture;
pub mod issuer;
pub mod kernel_tables;
pub mod ledger;
mod leftovers;
pub mod logs;
pub mod network_trap;
pub mod notify_socket;
pub mod openai;
pub mod parked_provider;
pub mod process;
pub mod procfs;
pub mod provider;
pub mod rotation;
pub mod sdk;
pub mod serve;
pub mod shared_files;
pub mod sign_in;
pub mod terminal;
pub mod tokenroute;
pub mod traced;
pub mod user;
pub mod wait;
pub mod world;

pub use command::Output;
pub use daemon::Daemon;
pub use http::{Answer, Client, End};
pub use inference_fixture::{InferenceFixture, MODEL};
pub use provider::{Gate, Provider, Reply};
pub use serve::Serve;
pub use user::User;
pub use world::World;
