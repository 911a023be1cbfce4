//! This command line meets a daemon of another age: it can look at it and end it; for everything else it names both
//! versions and the one command that cures it.

use bitrouter_proto::{PROTOCOL, VERSION};
use bitrouter_tests::{World, fake_daemon::FakeDaemon, procfs, wait};

const THEIRS: &str = "9.8.7";

/// Protocol numbers before and after ours.
const OTHERS: [u32; 3] = [0, PROTOCOL + 1, 4_000_000_000];

/// What needs a daemon of the same protocol.
const REFUSED: [&[&str]; 6] = [
    &["reload"],
    &["reload", "--forget", "OPENAI_API_KEY"],
    &["logs"],
    &["logs", "-f"],
    &["logs", "-n", "3"],
    &["logs", "--level", "debug"],
];

#[test]
fn p15_status_of_another_protocol_works() {
    for protocol in OTHERS {
        let world = World::new();
        let other = FakeDaemon::start(&world, THEIRS, protocol);
        let shown = world.cli(["status"]).with_code(0);
        assert!(shown.stdout.contains(THEIRS), "{}", shown.text());
        let status = world.cli(["status", "--json"]).with_code(0).json();
        assert_eq!(
            (&status["state"], &status["pid"], &status["version"], &status["protocol"]),
            (&"running".into(), &other.pid().into(), &THEIRS.into(), &protocol.into()),
            "{status}"
        );
        assert!(other.calls().iter().all(|method| method == "DaemonService/Status"), "{:?}", other.calls());
    }
}

#[test]
fn p15_stop_of_another_protocol_works() {
    for protocol in OTHERS {
        let world = World::new();
        let other = FakeDaemon::start(&world, THEIRS, protocol);
        world.cli(["stop"]).expect_code(0);
        wait::holds("the end of the other daemon", || !procfs::is_running(other.pid()));
        assert!(other.calls().iter().any(|method| method == "DaemonService/Stop"), "{:?}", other.calls());
    }
}

#[test]
fn p15_another_protocol_is_refused_with_both_versions_and_the_cure() {
    for protocol in OTHERS {
        let world = World::new();
        let other = FakeDaemon::start(&world, THEIRS, protocol);
        for args in REFUSED {
            let shown = args.join(" ");
            let output = world.cli(args).with_code(1);
            assert_eq!(output.stdout, "", "`{shown}` under protocol {protocol}");
            let (ours, theirs) = (format!("protocol {PROTOCOL}"), format!("protocol {protocol}"));
            let error = output.stderr.lines().find(|line| line.starts_with("error: "));
            let error = error.unwrap_or_else(|| panic!("`{shown}`: no error line in {}", output.stderr));
            for said in [VERSION, THEIRS, &ours, &theirs] {
                assert!(error.contains(said), "`{shown}`: `{said}` is not in `{error}`");
            }
            let hint = output.stderr.lines().find(|line| line.starts_with("hint: "));
            assert_eq!(hint, Some("hint: bitrouter restart"), "`{shown}`: {}", output.stderr);
        }
        let asked = other.calls();
        assert!(asked.iter().all(|m| m == "DaemonService/Status"), "something was asked all the same: {asked:?}");
    }
}

#[test]
fn p15_another_protocol_is_refused_in_json_too() {
    let world = World::new();
    let _other = FakeDaemon::start(&world, THEIRS, PROTOCOL + 1);
    for args in REFUSED {
        let output = world.cli(args.iter().copied().chain(["--json"])).with_code(1);
        let error = output.error();
        assert_eq!(output.stdout, "", "{args:?}");
        assert_eq!(
            (&error["code"], &error["hint"]),
            (&"version_mismatch".into(), &"bitrouter restart".into()),
            "{args:?}: {error}"
        );
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(VERSION) && message.contains(THEIRS), "{args:?}: {message}");
    }
}

#[test]
fn p15_another_version_with_the_same_protocol_is_no_reason_to_refuse() {
    let world = World::new();
    let other = FakeDaemon::start(&world, THEIRS, PROTOCOL);
    // It knows no other method, and says so; the point is that it was asked.
    let output = world.cli(["reload"]);
    assert!(!output.stderr.contains("restart"), "{}", output.text());
    assert!(
        other.calls().iter().any(|method| method.starts_with("EnvironmentService/")),
        "{:?}: {}",
        other.calls(),
        output.text()
    );
}
