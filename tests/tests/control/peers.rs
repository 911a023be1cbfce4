//! P5: the control socket serves its owner and root, and checks at accept whatever the file modes say.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{User, World, hostile::AT_MOST, logs, sdk, shared_files};

#[test]
fn p05_root_reaches_another_users_daemon_only_when_told_where() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let _daemon = world.demo();
    let socket = world.socket().to_string_lossy().into_owned();
    let output =
        world.command(["status", "--json", "--socket", &socket]).as_user(User::root()).env("HOME", "/root").run();
    assert_eq!(output.with_code(0).json()["state"], "running");
}

#[test]
fn p05_another_user_is_refused_at_accept_and_named_in_the_log() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let daemon = world.serve().args(["--demo", "--log-format", "json"]).start();
    // Everything is opened as wide as a careless administrator could.
    for path in ["", "run", "run/bitrouter", "home"] {
        let dir = std::fs::File::open(world.path(path)).expect("open");
        dir.set_permissions(std::fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    rustix::fs::chmod(world.socket(), 0o666.into()).expect("chmod");
    let socket = world.socket().to_string_lossy().into_owned();
    let script = sdk::script(&world, "raw_control.py", &[socket.as_str()]);
    let copy = std::fs::File::open(world.path("home/raw_control.py")).expect("open");
    copy.set_permissions(std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let output = script.as_user(foreign).run().with_code(0);
    assert_eq!(output.stdout.trim(), "closed", "{}", output.text());

    let text = daemon.stderr().until("the refusal", |text| text.contains("peer_uid"));
    let line = text.lines().find(|line| line.contains("peer_uid")).unwrap_or_default();
    let line: serde_json::Value = serde_json::from_str(line).expect("a JSON log line");
    assert_eq!(logs::member(&line, "peer_uid"), foreign.uid());
    assert!(logs::member(&line, "peer_pid").is_u64(), "{line}");

    // The owner's own client does not trust such a place any more.
    let output = world.cli(["status"]);
    assert_ne!(output.code, 0, "{}", output.text());
}

#[test]
fn p05_a_client_does_not_talk_to_a_socket_of_somebody_else() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let dir = world.directory("run/bitrouter");
    let listener = std::os::unix::net::UnixListener::bind(dir.join("control.sock")).expect("bind");
    foreign.own_path(&dir.join("control.sock"));
    let output = world.cli(["status", "--socket", &dir.join("control.sock").to_string_lossy()]);
    assert!(output.code == 1 || output.code == 2, "{} {}", output.code, output.text());
    assert!(output.stderr.contains("control.sock"), "{}", output.stderr);
    listener.set_nonblocking(true).expect("nonblocking");
    assert!(listener.accept().is_err(), "the client connected");
}

#[test]
fn p05_a_slow_or_broken_client_delays_nobody() {
    let world = World::new();
    let daemon = world.demo();
    let held: Vec<_> = (0..200)
        .map(|number| {
            let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).expect("connect");
            let said: &[u8] = match number % 4 {
                0 => b"",
                1 => b"PRI * HTTP/2.0\r\n",
                2 => b"GET / HTTP/1.1\r\n\r\n",
                _ => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x04\x01\0",
            };
            std::io::Write::write_all(&mut stream, said).ok();
            stream
        })
        .collect();
    for _ in 0..5 {
        let output = world.cli(["status"]).with_code(0);
        assert!(output.took < AT_MOST, "status took {:?}", output.took);
    }
    drop(held);
}
