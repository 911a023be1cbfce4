//! P15: where a provider's key comes from, and that keys rotate live. Every source, under load, whole or not at all, and
//! the daemon says what it holds from where.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod beneath;
mod bounds;
mod env_files;
mod files;
mod hook;
mod hook_neighbours;
mod load;
mod outcome;
mod parent;
mod precedence;
mod push;
mod refused;
mod reload;
mod sessions;
mod sources;

use std::{path::Path, time::Duration};

use bitrouter_proto::{
    clock,
    wire::{StatusRequest, StatusResponse},
};
use bitrouter_tests::{
    Daemon, World, control::Control, parked_provider::ParkedProvider, shared_files, terminal::Terminal, wait,
};

/// What the contract allows is 500 ms; a busy machine gets five times that, and what was measured is printed.
const EFFECTIVE: Duration = Duration::from_millis(2500);

/// A world whose calls for `openai` go to a provider that names the key it saw.
fn cast() -> (World, ParkedProvider) {
    let (world, provider) = (World::new(), ParkedProvider::start());
    world.config(&provider.as_openai());
    (world, provider)
}

/// Counts reloads over one connection that stays open.
struct Reloads {
    control: Control,
}

impl Reloads {
    fn of(daemon: &Daemon) -> Self {
        Self { control: Control::connect(&daemon.socket()) }
    }

    #[track_caller]
    fn count(&mut self) -> u64 {
        let status = self.control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status");
        status.message.reloads.unwrap_or_default().count
    }

    /// Does something that reloads and waits until the new state is in force; how long that took.
    #[track_caller]
    fn wait_for_one_more(&mut self, change: impl FnOnce()) -> Duration {
        let before = self.count();
        change();
        let begun = clock::monotonic_now();
        wait::until_within("the reload", EFFECTIVE, || (self.count() > before).then_some(()));
        clock::monotonic_now().saturating_duration_since(begun)
    }
}

/// A shell with a terminal of its own, which knows where the binary is.
#[track_caller]
fn shell(world: &World, program: &str, args: &[&str], environment: &[(&str, &str)]) -> Terminal {
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let mut all = vec![("BITROUTER", binary.as_str()), ("PS1", "$ ")];
    all.extend_from_slice(environment);
    Terminal::open(world, Path::new(program), args, &all)
}

#[expect(clippy::print_stdout, reason = "a measurement, shown by the test runner on demand")]
fn report(what: &str, mut took: Vec<Duration>) {
    took.sort();
    println!("{what}: effective after {:?} (median), {:?} (worst)", took[took.len() / 2], took[took.len() - 1]);
}
