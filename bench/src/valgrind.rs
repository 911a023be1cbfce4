//! Counted instructions: a process under `valgrind`, which says at its end how many instructions it executed in user
//! space. The count is the same on every machine and under every load, give or take how often its threads wake.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use bitrouter_proto::env::Environment;

use crate::error::BenchError;

/// `valgrind`, as this machine has it.
#[derive(Clone, Debug)]
pub(crate) struct Valgrind {
    program: PathBuf,
}

impl Valgrind {
    /// Looks it up.
    pub(crate) fn find() -> Result<Self, BenchError> {
        let environment = Environment::of_process();
        let path = environment.text("PATH").unwrap_or("/usr/bin:/bin");
        let found = std::env::split_paths(path).map(|dir| dir.join("valgrind")).find(|file| file.is_file());
        let missing = "`valgrind` is not in PATH; on Debian: apt-get install -y --no-install-recommends valgrind";
        found.map(|program| Self { program }).ok_or_else(|| BenchError::Unexpected(missing.to_owned()))
    }

    /// A command that runs `program` and writes the count to `log`.
    pub(crate) fn command(&self, program: &Path, log: &Path) -> Command {
        let mut command = Command::new(&self.program);
        // No cache is simulated, and nothing but the total is wanted. One thread runs at a time, in turn.
        command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", "--fair-sched=try"]);
        command.arg(format!("--log-file={}", log.display())).arg(program);
        command
    }
}

/// The count in a log, where the process has ended.
pub(crate) fn count(log: &Path) -> Result<u64, BenchError> {
    let text = std::fs::read_to_string(log).map_err(BenchError::io("read the log of valgrind"))?;
    parse(&text).ok_or_else(|| BenchError::Unexpected(format!("valgrind counted nothing; it said:\n{text}")))
}

/// `==4711== I refs:        1,234,567`; older ones write `I   refs:`.
fn parse(text: &str) -> Option<u64> {
    let count = text.lines().find_map(|line| {
        let (what, count) = line.split_once("refs:")?;
        (what.split_whitespace().last() == Some("I")).then_some(count)
    })?;
    count.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read() {
        assert_eq!(parse("==1== Cachegrind\n==1== \n==1== I refs:        1,234,567\n"), Some(1_234_567));
        assert_eq!(parse("==1== D refs: 9\n==1== I   refs:      9,623\n"), Some(9_623));
        assert_eq!(parse("==1== Cachegrind\n"), None);
    }
}
