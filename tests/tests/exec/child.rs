//! The command as a child: its environment, its signals, its end, and the line that says what it is given.

use bitrouter_tests::{Output, process::shell_code, wait};
use rustix::process::Signal;

use crate::rig::{Rig, document};

#[track_caller]
fn variable<'o>(output: &'o Output, name: &str) -> Option<&'o str> {
    output.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn a_command_finds_the_daemon_and_its_key_and_nothing_that_leads_elsewhere() {
    let rig = Rig::on();
    let gone = [
        "OPENAI_ORG_ID",
        "OPENAI_API_BASE",
        "ANTHROPIC_AUTH_TOKEN",
        "GOOGLE_API_KEY",
        "BITROUTER_API_KEY",
        "BITROUTER_ACME_API_KEY",
        "BITROUTER_NOBODY_API_KEY",
        "TOKENROUTE_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "GROQ_API_KEY",
    ];
    let mut command = rig.world.command(["exec", "--", "env"]);
    for name in gone {
        command = command.env(name, "x");
    }
    let command = command.env("ANTHROPIC_MODEL", "acme/m").env("OPENAI_API_KEY", "sk-mine").env("LEFT", "alone");
    let output = command.without("NO_PROXY").without("no_proxy").run().with_code(0);
    for name in gone {
        assert_eq!(variable(&output, name), None, "{name}");
    }
    assert_eq!((variable(&output, "ANTHROPIC_MODEL"), variable(&output, "LEFT")), (Some("acme/m"), Some("alone")));
    let root = format!("http://127.0.0.1:{}", rig.daemon.port());
    let with_version = format!("{root}/v1");
    assert_eq!(variable(&output, "OPENAI_BASE_URL"), Some(with_version.as_str()));
    for name in ["ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"] {
        assert_eq!(variable(&output, name), Some(root.as_str()), "{name}");
    }
    let key = variable(&output, "OPENAI_API_KEY").expect("a key");
    assert!(key.starts_with("brk_"));
    for name in ["ANTHROPIC_API_KEY", "GEMINI_API_KEY"] {
        assert_eq!(variable(&output, name), Some(key), "{name}");
    }
    // There is a proxy in this world, which is not asked for this machine.
    for name in ["NO_PROXY", "no_proxy"] {
        assert_eq!(variable(&output, name), Some("127.0.0.1,localhost,::1"), "{name}");
    }
    assert!(!output.stderr.contains(key), "the key is shown to nobody");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert!(lines[0].starts_with("exec: no budget, every model, until 20"), "{}", output.stderr);
    assert!(lines[1].contains("control socket") && lines[1].contains("docs/exec.md"), "{}", output.stderr);
    rig.until_all_is_over();
}

#[test]
fn the_code_of_the_command_is_that_of_exec() {
    let rig = Rig::on();
    for code in [0, 1, 2, 3, 77, 130, 255] {
        rig.run(&[], &format!("exit {code}")).expect_code(code);
    }
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("INT", 130), ("ABRT", 134)] {
        let output = rig.run(&["--json"], &format!("kill -{signal} $$; sleep 60")).with_code(code);
        assert_eq!(document(&output.stderr)["signal"], format!("SIG{signal}"), "{}", output.stderr);
    }
    rig.until_all_is_over();
}

#[test]
fn a_command_that_is_none_is_named_and_its_key_ends() {
    let rig = Rig::on();
    let absent = rig.world.cli(["exec", "--", "no-such-command"]).with_code(127);
    assert!(absent.stderr.contains("`no-such-command` is not found"), "{}", absent.stderr);
    let plain = rig.world.write("home/plain", "no program");
    let plain = plain.to_str().expect("a path");
    let refused = rig.world.cli(["--json", "exec", "--", plain]).with_code(126);
    assert_eq!(refused.error()["code"], "not_executable", "{}", refused.stderr);
    assert_eq!(rig.keys().len(), 2);
    rig.until_all_is_over();
}

#[test]
fn each_signal_is_passed_on() {
    let rig = Rig::on();
    for (name, signal) in [
        ("INT", Signal::INT),
        ("TERM", Signal::TERM),
        ("HUP", Signal::HUP),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
    ] {
        let script = format!("trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.02; done");
        let mut process = rig.world.command(["exec", "--", "sh", "-c", &script]).spawn();
        process.stdout().until_contains("ready");
        process.signal(signal);
        let status = process.wait(wait::PATIENCE * 2);
        assert_eq!(shell_code(status), 9, "{name}: {}", process.stderr().text());
        assert!(process.stdout().ends_within(wait::PATIENCE));
        assert_eq!(process.stdout().text().matches("got").count(), 1, "{name} comes once");
    }
    rig.until_all_is_over();
}

#[test]
fn a_signal_that_ends_the_command_ends_its_key() {
    let rig = Rig::on();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let mut held = rig.begin(&[]);
        held.process.signal(signal);
        let status = held.process.wait(wait::PATIENCE * 2);
        assert_eq!(shell_code(status), code, "{}", held.process.stderr().text());
        rig.call(&held.key).refused(401, "invalid_api_key");
    }
    rig.until_all_is_over();
}

#[test]
fn a_command_that_stops_is_stopped_with_us_and_goes_on_with_us() {
    let rig = Rig::on();
    let held = rig.begin(&[]);
    let state = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?')
    };
    held.process.signal(Signal::TSTP);
    let own = held.process.pid();
    wait::holds("both to stop", || state(own) == 'T' && state(held.pid) == 'T');
    assert_eq!(rig.call(&held.key).status, 200, "the key stays good");
    held.process.signal(Signal::CONT);
    wait::holds("both to go on", || state(own) != 'T' && state(held.pid) != 'T');
    assert_eq!(held.end().0, 7);
}

#[test]
fn flags_of_the_command_are_its_own() {
    let rig = Rig::on();
    let output = rig.world.cli(["exec", "--", "echo", "--json", "--help", "--", "x"]).with_code(0);
    assert_eq!(output.stdout, "--json --help -- x\n");
    assert!(output.stderr.contains("the key is revoked"), "{}", output.stderr);
}
