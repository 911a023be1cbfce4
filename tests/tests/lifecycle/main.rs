//! The agent's life: its settings and places, how it starts, takes over, answers or does not, and ends; and what a
//! terminal and a service manager see of it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod banner;
mod drain;
mod elsewhere;
mod hung;
mod node;
mod own_address;
mod passed;
mod places;
mod reasons;
mod service_manager;
mod settings;
mod sick;
mod socket;
mod start;
mod start_stop;
mod stop;
mod takeover;
mod terminal;
mod trusted_files;

use std::time::Duration;

/// A start that needs nothing and takes any port.
const DEMO: [&str; 4] = ["start", "--demo", "--listen", "127.0.0.1:0"];

/// What no command may exceed because of a sick daemon. The contract's bound is one second; a busy machine gets five,
/// and what was measured is printed.
const AT_MOST: Duration = Duration::from_secs(5);

#[expect(clippy::print_stdout, reason = "a measurement, shown by the test runner on demand")]
fn report(what: &str, took: Duration) {
    println!("{what}: {took:?}");
}
