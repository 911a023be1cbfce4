//! The real client and daemons of other ages: it says which two versions met and the one command that cures it, sends
//! nothing but Status before it knows, and can still end and replace what runs.

use bitrouter_proto::{PROTOCOL, VERSION};
use bitrouter_tests::{World, pretender::Pretender, wait};

fn meet(version: &'static str, protocol: u32) -> (World, Pretender) {
    let world = World::new();
    let pretender = Pretender::start(&world, version, protocol);
    (world, pretender)
}

#[test]
fn status_works_with_a_daemon_of_any_protocol() {
    for protocol in [0, 2, 99] {
        let (world, pretender) = meet("9.8.7", protocol);
        let status = world.cli(["status", "--json"]).with_code(0).json();
        assert_eq!((&status["version"], &status["protocol"]), (&"9.8.7".into(), &protocol.into()), "{status}");
        assert_eq!(status["pid"], pretender.pid());
        let text = world.cli(["status"]).with_code(0).stdout;
        assert!(text.contains("9.8.7"), "{text}");
    }
}

#[test]
fn every_other_command_names_both_and_the_cure_and_sends_nothing() {
    let (world, pretender) = meet("9.8.7", 99);
    let key = world.canary("openai");
    let commands: [&[&str]; 6] = [
        &["reload"],
        &["reload", "--forget", "X_API_KEY"],
        &["logs"],
        &["logs", "-f"],
        &["logs", "--level", "debug"],
        &["__push", "OPENAI_API_KEY"],
    ];
    for args in commands {
        let shown = args.join(" ");
        let output = world.command(args).env("OPENAI_API_KEY", &key).run().with_code(1);
        for part in [VERSION, "9.8.7", "99", &PROTOCOL.to_string(), "bitrouter restart"] {
            assert!(output.stderr.contains(part), "{shown}: `{part}` is not in {}", output.stderr);
        }
        if args[0] != "__push" {
            let args = [args, &["--json"]].concat();
            let error = world.command(args).env("OPENAI_API_KEY", &key).run().with_code(1).error();
            assert_eq!(
                (&error["code"], &error["hint"]),
                (&"version_mismatch".into(), &"bitrouter restart".into()),
                "{error}"
            );
        }
    }
    let others: Vec<_> = pretender.calls().into_iter().filter(|call| call != "DaemonService/Status").collect();
    assert!(others.is_empty(), "something was sent to a daemon of another protocol: {others:?}");
}

#[test]
fn stop_ends_a_daemon_of_any_protocol() {
    let (world, pretender) = meet("0.0.1", 99);
    let output = world.cli(["stop"]).with_code(0);
    assert!(output.stdout.contains(&pretender.pid().to_string()), "{}", output.text());
    assert!(pretender.calls().contains(&"DaemonService/Stop".to_owned()));
}

#[test]
fn the_command_that_it_names_cures_it() {
    let (world, pretender) = meet("0.0.1", 99);
    let output = world.cli(["restart", "--demo", "--listen", "127.0.0.1:0"]).with_code(0);
    assert!(pretender.calls().contains(&"DaemonService/Stop".to_owned()), "{}", output.text());
    wait::holds("the new one", || world.cli(["status", "--json"]).json()["version"] == VERSION);
    world.cli(["reload"]).expect_code(0);
    drop(world.detached());
}

#[test]
fn another_release_of_the_same_protocol_is_spoken_to() {
    let (world, pretender) = meet("99.0.0", PROTOCOL);
    // It does not know the method, which is another thing than not speaking the protocol.
    let output = world.cli(["reload"]);
    assert!(!output.stderr.contains("protocol"), "{}", output.stderr);
    assert!(pretender.calls().contains(&"EnvironmentService/ListNames".to_owned()), "{:?}", pretender.calls());
}

#[test]
fn start_leaves_a_daemon_of_another_age_alone() {
    let (world, pretender) = meet("9.8.7", 99);
    let output = world.cli(["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(0);
    assert_eq!(output.json()["pid"], pretender.pid());
    assert!(!pretender.calls().contains(&"DaemonService/Stop".to_owned()));
}
