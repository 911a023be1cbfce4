//! The unit of a service manager that should run the daemon.

use std::{
    io::Read as _,
    process::{Command, Stdio},
    time::Duration,
};

use bitrouter_proto::{clock, codes::CheckCode};
use rustix::event::{Timespec, poll};

use super::check::Check;
use crate::{context::Context, launch};

/// How long the service manager has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether one is enabled, and has not failed.
pub(super) fn check(context: &Context) -> Check {
    let Some(unit) = launch::enabled_unit(&context.environment) else {
        return Check::good(CheckCode::Unit, "no service manager starts the daemon");
    };
    let enabled = format!("enabled by `{}`", unit.enabled_by.display());
    match unit.state_command().and_then(|words| first_line(&words)).as_deref() {
        Some("failed") => {
            Check::error(CheckCode::Unit, format!("the unit has failed; it is {enabled}")).cure(unit.start)
        }
        Some("inactive") => {
            Check::warning(CheckCode::Unit, format!("the unit does not run; it is {enabled}")).cure(unit.start)
        }
        Some(state) if !state.is_empty() => Check::good(CheckCode::Unit, format!("the unit is {state}, {enabled}")),
        // No manager answers: in a container, or over ssh without a session.
        _ => Check::good(CheckCode::Unit, format!("a unit is {enabled}")),
    }
}

/// The first line that a command prints, within a bound; whatever its exit code is.
fn first_line(words: &[&str]) -> Option<String> {
    let (program, args) = words.split_first()?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let deadline = clock::after(PATIENCE);
    while child.try_wait().ok()?.is_none() {
        if clock::monotonic_now() >= deadline {
            // It is ours to end, and to bury.
            let _ = child.kill().and_then(|()| child.wait());
            return None;
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        // An interrupted pause is only a shorter one.
        let _ = poll(&mut [], Some(&pause));
    }
    let mut text = String::new();
    child.stdout.take()?.take(4096).read_to_string(&mut text).ok()?;
    text.lines().next().map(str::to_owned)
}
