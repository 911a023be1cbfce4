//! One run of a program to its end: stdout, stderr, exit code, time taken.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
    time::Duration,
};

use bitrouter_proto::clock;

use crate::{
    process::{self, Process},
    user::User,
    wait,
    world::World,
};

/// How long after its end a program's outputs may stay open: a child that inherited them would hang `$(…)`.
const RELEASE: Duration = Duration::from_secs(5);

/// A program that is about to run in a world.
#[derive(Debug)]
pub struct Run {
    world: World,
    command: Command,
    stdin: Vec<u8>,
    patience: Duration,
    shown: String,
}

impl Run {
    pub(crate) fn new<I, S>(world: World, program: &Path, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let mut command = world.bare_command(program);
        command.args(&args);
        let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let shown = format!("{name} {}", words.join(" "));
        Self { world, command, stdin: Vec::new(), patience: wait::PATIENCE * 2, shown }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs it as somebody else.
    #[must_use]
    pub fn as_user(mut self, user: User) -> Self {
        if user == User::root() && self.world.user().is_exclusive() {
            use std::os::unix::process::CommandExt as _;
            self.command.uid(0).gid(0);
        }
        user.apply(&mut self.command);
        self
    }

    /// Runs it in another directory.
    #[must_use]
    pub fn in_directory(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// What it reads.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it without waiting for its end.
    #[track_caller]
    pub fn spawn(self) -> Process {
        Process::spawn(self.command, &self.stdin)
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it takes too long, or leaves its outputs open in a child.
    #[track_caller]
    pub fn run(self) -> Output {
        let mut process = Process::spawn(self.command, &self.stdin);
        let status = process.wait(self.patience);
        let took = clock::monotonic_now().saturating_duration_since(process.started());
        for (name, stream) in [("stdout", process.stdout()), ("stderr", process.stderr())] {
            assert!(
                stream.ends_within(RELEASE),
                "`{}` ended, but something it started still holds its {name}; so far:\n{}",
                self.shown,
                stream.text()
            );
            self.world.keep(format!("the {name} of `{}`", self.shown), stream.bytes());
        }
        Output {
            stdout: process.stdout().text(),
            stderr: process.stderr().text(),
            code: process::shell_code(status),
            took,
            shown: self.shown,
        }
    }
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code, 128 + n for a signal.
    pub code: i32,
    /// From start to end.
    pub took: Duration,
    /// The command line, for messages.
    pub shown: String,
}

impl Output {
    /// Checks the exit code.
    #[track_caller]
    #[must_use = "or call it for its check alone with `drop`"]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "`{}`\nstdout:\n{}\nstderr:\n{}", self.shown, self.stdout, self.stderr);
        self
    }

    /// Checks the exit code, for a caller that wants nothing else.
    #[track_caller]
    pub fn expect_code(&self, code: i32) {
        assert_eq!(self.code, code, "`{}`\nstdout:\n{}\nstderr:\n{}", self.shown, self.stdout, self.stderr);
    }

    /// Stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("`{}`: {e}\nstdout:\n{}\nstderr:\n{}", self.shown, self.stdout, self.stderr))
    }

    /// The error object that `--json` prints on stderr.
    #[track_caller]
    pub fn error(&self) -> serde_json::Value {
        let line = self.stderr.lines().rev().find(|line| line.starts_with('{'));
        let value: Option<serde_json::Value> = line.and_then(|line| serde_json::from_str(line).ok());
        let error = value.map(|value| value["error"].clone()).filter(serde_json::Value::is_object);
        error.unwrap_or_else(|| panic!("`{}`: no JSON error on stderr:\n{}", self.shown, self.stderr))
    }

    /// Both outputs, for assertions on words.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The whole run as a snapshot: what differs from run to run is replaced by its name in brackets.
    pub fn snapshot(&self, world: &World) -> String {
        let root = world.root().to_string_lossy().into_owned();
        let tidy = |text: &str| mask(&text.replace(&root, "[WORLD]"));
        format!(
            "$ {}\n-- stdout\n{}-- stderr\n{}-- code {}\n",
            tidy(&self.shown),
            tidy(&self.stdout),
            tidy(&self.stderr),
            self.code
        )
    }
}

/// Replaces ports, process ids, times and versions.
fn mask(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut words: Vec<String> = line.split(' ').map(mask_word).collect();
        for at in 1..words.len() {
            let number = words[at].trim_matches(|c: char| !c.is_ascii_digit());
            if words[at - 1].trim_start_matches('(').eq_ignore_ascii_case("pid") && !number.is_empty() {
                words[at] = words[at].replace(number, "[PID]");
            }
        }
        out.push_str(&words.join(" "));
    }
    out
}

fn mask_word(word: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    for host in ["127.0.0.1:", "localhost:", "[::1]:"] {
        if let Some((before, after)) = word.split_once(host) {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() < after.len() {
                return format!("{before}{host}[PORT]{}", mask_word(rest));
            }
        }
    }
    if is_time(word.trim()) {
        return word.replace(word.trim(), "[TIME]");
    }
    word.replace(version, "[VERSION]")
}

fn is_time(word: &str) -> bool {
    word.len() >= 20 && word.ends_with('Z') && word.as_bytes().get(10) == Some(&b'T') && word.starts_with("20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_runs_is_masked() {
        let text = "pid 4711 (pid 12) on http://127.0.0.1:4356/v1 since 2026-01-02T03:04:05.678Z\n";
        assert_eq!(mask(text), "pid [PID] (pid [PID]) on http://127.0.0.1:[PORT]/v1 since [TIME]\n");
    }
}
