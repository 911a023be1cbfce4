//! The program under its other name, and what it prints that shows a key.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use bitrouter_tests::{World, command::Run, shared_files};
use serde_json::Value;

/// A link of the name `tokenroute` that leads to the binary.
pub(crate) fn tokenroute(world: &World) -> PathBuf {
    let path = world.directory("bin").join("tokenroute");
    if !path.exists() {
        std::os::unix::fs::symlink(shared_files::binary(), &path).expect("a link");
    }
    path
}

/// `tokenroute WORDS…`, at the server with this URL.
pub(crate) fn at(world: &World, server: &str, words: &[&str]) -> Run {
    world.program(&tokenroute(world), words).env("TOKENROUTE_API_URL", server)
}

/// Both outputs of a command that shows a key, as it is there to do: unlike those of other runs they are not looked through for
/// secrets.
#[track_caller]
pub(crate) fn shown(world: &World, program: &Path, words: &[&str], environment: &[(&str, &str)]) -> (String, String) {
    let run = world.bare_command(program).args(words).envs(environment.iter().copied()).output();
    let Output { status, stdout, stderr } = run.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(0), "{words:?}: {stderr}");
    (stdout, stderr)
}

/// The members of a document, in alphabetical order.
pub(crate) fn members(document: &Value) -> Vec<&str> {
    let mut members: Vec<&str> = document.as_object().expect("an object").keys().map(String::as_str).collect();
    members.sort_unstable();
    members
}
