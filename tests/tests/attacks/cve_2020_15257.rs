//! CVE-2020-15257 (containerd-shim): a control socket in the abstract namespace has no file and so no permissions; every
//! process in the same network namespace could connect.

use bitrouter_tests::{World, notify_socket::NotifySocket};

#[test]
fn cve_2020_15257_no_abstract_socket_is_ever_bound() {
    let world = World::new();
    let notify = NotifySocket::open(&world);
    let daemon = world.serve().arg("--demo").env("NOTIFY_SOCKET", notify.path()).start();
    world.cli(["reload"]).expect_code(0);
    let ours = super::socket::sockets(&daemon);
    let table = std::fs::read_to_string("/proc/net/unix").expect("the table of Unix sockets");
    let mut found = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.len() < 7 || !ours.contains(fields[6]) {
            continue;
        }
        found += 1;
        let name = fields.get(7).copied().unwrap_or_default();
        assert!(!name.starts_with('@'), "an abstract socket: {line}");
    }
    assert!(found > 0, "none of the daemon's sockets was found in the table");
}

#[test]
fn cve_2020_15257_an_abstract_name_is_refused_where_one_could_be_given() {
    let world = World::new();
    for path in ["@bitrouter", "\u{0}bitrouter"] {
        let path = path.replace('\0', "@");
        let output = world.cli(["status", "--socket", &path]);
        assert!(matches!(output.code, 1 | 2), "{path}: {}", output.text());
    }
}
