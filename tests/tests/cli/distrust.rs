//! What the client does with what a daemon chose: names, texts, numbers, commands. The daemon may be another user's.

use bitrouter_proto::wire::{ProviderStatus, StatusResponse, Warning};
use bitrouter_tests::{
    User, World,
    fake_daemon::{Answers, FakeDaemon},
    shared_files,
};

fn running() -> StatusResponse {
    StatusResponse { state: "running".into(), pid: 1, version: "0.1.0".into(), protocol: 1, ..Default::default() }
}

fn asking(world: &World, names: &[&str]) -> FakeDaemon {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    FakeDaemon::answering(world, Answers { status: running(), names })
}

#[test]
fn r1_03_what_is_no_name_is_neither_read_nor_written_into_shell_code() {
    for bad in ["X; touch pwned", "$(touch pwned)", "`touch pwned`", "X)\ntouch pwned\n(", "1X", "", "X Y"] {
        let world = World::new();
        let daemon = asking(&world, &["OPENAI_API_KEY", bad]);
        for shell in ["bash", "zsh", "fish"] {
            let output = world.cli(["hook", shell]).with_code(1);
            assert_eq!(output.stdout, "", "{bad:?}");
            assert!(output.stderr.contains("no name of a variable"), "{}", output.stderr);
        }
        let output = world.command(["reload"]).env("OPENAI_API_KEY", "x").run().with_code(1);
        assert!(output.stderr.contains("no name of a variable"), "{}", output.stderr);
        assert_eq!(daemon.sent(), Vec::<String>::new(), "{bad:?}");
    }
}

#[test]
fn r1_03_another_users_daemon_gets_the_shipped_names_only() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let daemon = asking(&world, &["OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"]);
    let socket = daemon.socket().to_string_lossy().into_owned();
    let run = |words: &[&str]| {
        let words = words.iter().copied().chain(["--socket", &socket]);
        let run = world.command(words).as_user(User::root()).env("HOME", "/root");
        let secrets = ["OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "BITROUTER_MINE_API_KEY"];
        secrets.iter().fold(run, |run, name| run.env(name, "x")).run()
    };
    run(&["reload"]).expect_code(0);
    assert_eq!(daemon.sent(), ["OPENAI_API_KEY"]);
    let hook = run(&["hook", "bash"]).with_code(0).stdout;
    assert!(hook.contains("OPENAI_API_KEY") && !hook.contains("AWS_SECRET_ACCESS_KEY"), "{hook}");
    let pushed = world.command(["__push", "--socket", &socket, "AWS_SECRET_ACCESS_KEY"]);
    pushed.as_user(User::root()).env("HOME", "/root").env("AWS_SECRET_ACCESS_KEY", "x").run().expect_code(0);
    assert_eq!(daemon.sent(), ["OPENAI_API_KEY"], "a hook that was written for another daemon");
    // Its flags name files that root would then read.
    let restart = run(&["restart"]).with_code(1);
    assert!(restart.stderr.contains("error: "), "{}", restart.stderr);
    assert!(!daemon.calls().iter().any(|call| call == "DaemonService/Stop"), "{:?}", daemon.calls());
}

#[test]
fn r1_03_nothing_that_a_terminal_obeys_comes_from_the_daemon() {
    let world = World::new();
    let evil = "\u{1b}]0;title\u{7}\u{9b}2J\r\u{202e}";
    let provider = ProviderStatus { id: evil.into(), active: true, detail: evil.into(), ..Default::default() };
    let warning = Warning { code: evil.into(), message: evil.into(), command: evil.into(), ..Default::default() };
    let status = StatusResponse {
        version: evil.into(),
        socket: evil.into(),
        config: evil.into(),
        listen: vec![evil.into()],
        providers: vec![provider],
        warnings: vec![warning],
        ..running()
    };
    let _daemon = FakeDaemon::answering(&world, Answers { status, names: Vec::new() });
    for words in [&["status"][..], &["status", "--all"], &["status", "--json"], &["start"], &["start", "--json"]] {
        let text = world.cli(words).with_code(0).text();
        let obeyed = text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(obeyed, None, "{words:?}: {text:?}");
        assert!(text.contains("title"), "{words:?}: {text:?}");
    }
}
