//! P16: a journal that is torn, damaged or out of room loses nothing that was said, and says what it cannot do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use bitrouter_tests::{Gate, Reply, World, ledger::number, shared_files, wait};
use serde_json::json;

use crate::acme::Acme;

fn counted() -> Reply {
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
    Reply::json(200, json!({"choices": [], "usage": usage}).to_string())
}

#[expect(clippy::disallowed_methods, reason = "it plays the crash")]
fn overwrite(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).expect("written");
}

/// The segments of the journal.
fn segments(world: &World) -> Vec<PathBuf> {
    let dir = world.path("data/bitrouter/journal");
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| !is_copy(file));
    files.sort();
    files
}

fn is_copy(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.contains("torn") || name.contains("broken")
}

fn copies(world: &World) -> usize {
    let dir = world.path("data/bitrouter/journal");
    fs::read_dir(dir).expect("the journal").flatten().filter(|entry| is_copy(&entry.path())).count()
}

/// Somebody else's transaction on the database: nothing is applied while it is open.
struct Held(Child);

impl Held {
    fn new(world: &World) -> Self {
        let script = "import sqlite3,sys\ndb=sqlite3.connect(sys.argv[1],isolation_level=None)\n\
                      db.execute('BEGIN IMMEDIATE')\nprint('held',flush=True)\nsys.stdin.read()";
        let mut command: Command = world.bare_command("/usr/bin/env");
        command.args(["python3", "-c", script]).arg(world.path("data/bitrouter/node.db"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let mut said = [0; 4];
        std::io::Read::read_exact(child.stdout.as_mut().expect("its output"), &mut said)
            .expect("the database to be held");
        assert_eq!(&said, b"held");
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

#[test]
fn p16_what_a_crash_left_half_written_is_cut_off_and_kept() {
    let mut acme = Acme::new();
    acme.provider.always(|_| counted());
    for _ in 0..3 {
        acme.http().chat("acme:m", "x").send().ok();
    }
    acme.daemon.kill();
    let last = segments(&acme.world).pop().expect("a segment");
    // As much of a record as power loss leaves.
    let mut bytes = fs::read(&last).expect("the segment");
    bytes.extend_from_slice(&[0x40, 0, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd, 1, 2, 3]);
    overwrite(&last, &bytes);
    acme.start_again();
    assert_eq!(acme.books.settled(3).len(), 3);
    acme.http().chat("acme:m", "x").send().ok();
    assert_eq!(acme.books.settled(4).len(), 4);
    assert_eq!(copies(&acme.world), 1, "what was cut off is kept");
    assert!(acme.daemon.status()["warnings"].as_array().is_some_and(Vec::is_empty), "{}", acme.daemon.status());
}

#[test]
fn p16_what_is_not_applied_when_the_daemon_dies_is_applied_when_it_starts() {
    let mut acme = Acme::new();
    acme.provider.always(|_| counted());
    let held = Held::new(&acme.world);
    for _ in 0..5 {
        acme.http().chat("acme:m", "x").send().ok();
    }
    acme.daemon.kill();
    drop(held);
    acme.start_again();
    let rows = acme.books.settled(5);
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row["status"] == "succeeded"), "{rows:?}");
}

#[test]
fn p16_damage_stops_calls_that_cost_until_somebody_repairs_it() {
    let mut acme = Acme::new();
    acme.provider.always(|_| counted());
    acme.http().chat("acme:m", "x").send().ok();
    acme.books.settled(1);
    let held = Held::new(&acme.world);
    for _ in 0..5 {
        acme.http().chat("acme:m", "x").send().ok();
    }
    acme.daemon.kill();
    drop(held);
    let last = segments(&acme.world).pop().expect("a segment");
    let mut bytes = fs::read(&last).expect("the segment");
    // Far from the end: this is no torn tail.
    let at = bytes.len() * 2 / 3;
    bytes[at..at + 16].fill(0x5a);
    overwrite(&last, &bytes);
    acme.start_again();
    let error = acme.http().chat("acme:m", "x").send().refused(503, "unavailable");
    assert!(error.to_string().contains("bitrouter node journal repair"), "{error}");
    // What costs nothing goes on, and so does management.
    acme.http().get("/v1/models").send().ok();
    assert!(!acme.books.rows().is_empty());
    let status = acme.daemon.status();
    assert!(status["warnings"].to_string().contains("node journal repair"), "{status}");
    let said = acme.world.cli(["node", "journal", "repair"]).with_code(0).text();
    assert!(said.contains("journal"), "{said}");
    acme.http().chat("acme:m", "x").send().ok();
    assert!(copies(&acme.world) >= 1);
    wait::holds("the warning to go", || !acme.daemon.status()["warnings"].to_string().contains("node journal repair"));
    // What stood before the damage is there.
    assert!(acme.books.settled(3).len() >= 3);
}

/// A small file system over the data directory, taken away again at the end.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(&self.0).output().ok();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it fills the disk")]
fn n33_on_a_full_disk_running_calls_settle_and_new_ones_are_refused() {
    let world = World::new();
    let dir = world.directory("data");
    let options = format!("size=24m,mode=700,uid={0},gid={0}", world.user().uid());
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&dir).output();
    if !mounted.is_ok_and(|done| done.status.success()) {
        shared_files::lacks("a file system of its own: the tests do not run as root");
        return;
    }
    let mount = Mount(dir.clone());
    let acme = Acme::within(world, "");
    let gate = Gate::new();
    acme.provider.next(Reply::stream().token("one").gate(&gate).done());
    let mut open = acme.http().chat_stream("acme:m", "hello").open();
    open.until_contains("\"one\"");
    let filler = dir.join("filler");
    assert!(fs::write(&filler, vec![0; 64 << 20]).is_err(), "the file system is full");
    acme.provider.always(|_| counted());
    // Room that was set aside is used up first.
    let refused = wait::until("a refusal", || Some(acme.http().chat("acme:m", "x").send()).filter(|a| a.status != 200));
    let error = refused.refused(503, "unavailable");
    assert!(error.to_string().contains("journal"), "{error}");
    gate.open();
    assert!(open.finish().ok().text().ends_with("data: [DONE]\n\n"));
    fs::remove_file(&filler).expect("room");
    wait::holds("calls to be served again", || acme.http().chat("acme:m", "x").send().status == 200);
    let rows = acme.books.settled(2);
    let stream = rows.iter().find(|row| row["streamed"] == true).expect("the stream's row");
    assert!(stream["status"] == "succeeded" && number(stream, "completion_tokens") > 0, "{stream}");
    assert!(rows.iter().all(|row| row["status"] == "succeeded"), "{rows:?}");
    // Before the directory in which it stands is removed.
    drop(mount);
}
