//! P5, P6 under attack: other users, hostile programs of the same user, places that were prepared; and each published
//! hole of a neighbour, under its own name.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod control;
mod crowd;
mod exhaustion;
mod http;
mod places;
mod socket;
mod users;

// One file for each advisory, so that whoever reads of one finds its test.
mod cve_2020_15257;
mod cve_2023_44487;
mod cve_2024_28224;
mod cve_2024_6587;
mod cve_2025_49596;
mod cve_2025_66414;
mod cve_2026_7482;
mod rustsec_2023_0001;
mod rustsec_2024_0332;
mod rustsec_2024_0376;
mod rustsec_2025_0055;
mod rustsec_2025_0069;
mod rustsec_2025_0149;
mod rustsec_2026_0140;
mod rustsec_2026_0189;
mod rustsec_2026_0258;

use bitrouter_tests::{Daemon, shared_files};

/// Checks that every version of a package in `Cargo.lock` is at least `floor`.
#[track_caller]
fn locked_at_least(package: &str, floor: [u64; 3]) {
    let lock = std::fs::read_to_string(shared_files::repository().join("Cargo.lock")).expect("Cargo.lock");
    let mut lines = lock.lines();
    let mut found = 0;
    while let Some(line) = lines.next() {
        if line != format!("name = \"{package}\"") {
            continue;
        }
        let text =
            lines.next().and_then(|line| line.strip_prefix("version = \"")).expect("a version").trim_end_matches('"');
        let number = text.split(['-', '+']).next().expect("a version");
        let parts: Vec<u64> = number.split('.').map(|part| part.parse().expect("a number")).collect();
        assert!(parts.as_slice() >= floor.as_slice(), "{package} {text} is older than {floor:?}");
        found += 1;
    }
    assert!(found > 0, "{package} is not in Cargo.lock any more; neither need its test be");
}

/// How often requests were refused for this reason.
#[track_caller]
fn refusals(daemon: &Daemon, reason: &str) -> u64 {
    let text = daemon.http().get("/metrics").send().ok().text();
    let start = format!("bitrouter_refused_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)?.trim().parse().ok()).unwrap_or(0)
}
