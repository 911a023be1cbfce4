//! The listeners themselves: where they listen, and that nothing but files and loopback is ever used.

use std::{collections::BTreeSet, time::Duration};

use bitrouter_tests::{Daemon, World, procfs};

#[expect(clippy::print_stdout, reason = "a measurement, shown by the test runner on demand")]
pub(super) fn report(what: &str, took: Duration) {
    println!("{what}: {took:?}");
}

/// The inodes of the sockets that the daemon holds.
pub(super) fn sockets(daemon: &Daemon) -> BTreeSet<String> {
    let links = procfs::links(daemon.pid()).into_iter();
    links.filter_map(|link| Some(link.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())).collect()
}

/// The local addresses, as the kernel writes them, that the daemon listens on.
pub(super) fn listening(daemon: &Daemon) -> Vec<String> {
    let ours = sockets(daemon);
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in std::fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.len() > 9 && fields[3] == "0A" && ours.contains(fields[9]) {
                found.push(fields[1].to_owned());
            }
        }
    }
    found
}

#[test]
fn p06_only_loopback_is_listened_on() {
    let world = World::new();
    let daemon = world.demo();
    let addresses = listening(&daemon);
    assert!(!addresses.is_empty(), "nothing was found; was the daemon looked into?");
    for address in addresses {
        let ip = address.split(':').next().unwrap_or_default().to_owned();
        let loopback = ["0100007F", "00000000000000000000000001000000"].contains(&ip.as_str());
        assert!(loopback, "it listens on {address}");
    }
}

#[test]
fn p06_an_address_that_others_reach_is_refused() {
    let world = World::new();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.7:0", "0:0"] {
        let output = world.cli(["serve", "--demo", "--listen", listen]).with_code(1);
        assert!(output.stderr.contains(listen.split(':').next().unwrap_or_default()), "{listen}: {}", output.stderr);
        world.config(&format!("[server]\nlisten = \"{listen}\"\n"));
        world.cli(["serve", "--demo"]).expect_code(1);
        world.config("");
    }
}
