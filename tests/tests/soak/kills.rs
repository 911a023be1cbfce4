//! `kill -9` and `start`, a thousand times: the first try works each time, and nothing piles up.

use std::{fs, path::Path, time::Duration};

use bitrouter_tests::{World, process, procfs, wait};
use rustix::process::Signal;

pub(crate) fn run(rounds: u32) {
    let world = World::new();
    let mut took: Vec<Duration> = Vec::new();
    let (mut last, mut places) = (0, Vec::new());
    for round in 1..=rounds {
        let run = world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--json"]);
        took.push(run.took);
        let status = run.with_code(0).json();
        let pid = u32::try_from(status["pid"].as_u64().expect("a pid")).expect("a pid");
        assert!(pid != last && status["state"] == "running", "round {round}: {status}");
        assert_eq!(world.daemon_file().map(|file| file["pid"].clone()), Some(pid.into()), "round {round}");
        // It is no shell of a daemon: it serves.
        if round.is_multiple_of(50) || round == rounds {
            let daemon = world.detached();
            daemon.http().chat("demo/echo", "x").send().ok();
            places.push((round, files(world.root())));
        }
        last = pid;
        process::kill(pid, Signal::KILL);
        wait::holds("the end", || !procfs::is_running(pid));
    }
    took.sort();
    let at = |share: usize| took[(took.len() - 1) * share / 1000];
    println!("{rounds} starts after kill -9: {:?} median, {:?} p99, {:?} worst", at(500), at(990), at(1000));
    let (first, rest) = places.split_first().expect("a round");
    for (round, files) in rest {
        assert_eq!(files, &first.1, "files pile up: round {} has others than round {round}", first.0);
    }
    println!("files after round {}: {}", rounds, first.1.join(" "));
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).expect_code(0);
    world.cli(["stop"]).expect_code(0);
}

/// Every file below `dir`, by name.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}
