//! CVE-2020-15257 (containerd-shim): a control socket in the abstract namespace has no file and so no permissions; every
//! process in the same network namespace could connect.

use bitrouter_tests::{World, kernel_tables, notify_socket::NotifySocket, traced::Traced};

#[test]
fn cve_2020_15257_no_abstract_socket_is_ever_bound() {
    let world = World::new();
    let notify = NotifySocket::open(&world);
    let path = notify.path().to_string_lossy().into_owned();
    let traced = Traced::start(&world, &["--demo", "--listen", "127.0.0.1:0"], &[("NOTIFY_SOCKET", &path)]);
    world.cli(["reload"]).expect_code(0);
    // Every name that it gave is a file in its own place, and it lets the kernel give none.
    let root = format!("{}/", world.root().display());
    let mut files: Vec<String> = kernel_tables::unix_named().into_iter().map(|one| one.name).collect();
    files.sort();
    files.dedup();
    files.retain(|name| name.starts_with(&root) && *name != path);
    assert!(files.contains(&traced.daemon.socket().to_string_lossy().into_owned()), "{files:?}");
    let sockets = traced.sockets();
    assert_eq!((sockets.unix_binds, sockets.named_by_sending), (files.len(), 0), "{files:?}");
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
