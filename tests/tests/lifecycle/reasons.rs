//! Why it could not start: what the child knows reaches the terminal of who asked, with the exit code and the cure.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{World, notify_socket::NotifySocket, shared_files, wait};

use super::DEMO;

#[track_caller]
fn says(world: &World, name: &str, code: i32, words: &[&str]) {
    for verb in ["start", "serve"] {
        let output = world.cli([verb, "--demo", "--listen", "127.0.0.1:0"]);
        assert_eq!(output.code, code, "{name}, {verb}: {}", output.text());
        assert!(output.stderr.starts_with("error: "), "{name}, {verb}: {}", output.stderr);
        for word in words {
            assert!(output.stderr.contains(word), "{name}, {verb}: `{word}` is not in {}", output.stderr);
        }
        let error = world.cli([verb, "--demo", "--listen", "127.0.0.1:0", "--json"]).with_code(code).error();
        assert!(error["message"].as_str().is_some_and(|text| text.contains(words[0])), "{name}, {verb}: {error}");
    }
    assert_eq!(world.cli(["status"]).code, 1, "{name}: something stayed");
}

fn set_mode(world: &World, path: &str, mode: u32) {
    let file = std::fs::File::open(world.path(path)).expect("open");
    file.set_permissions(std::fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn p15_a_bad_line_names_file_and_line() {
    let world = World::new();
    world.config("[server]\n\nmax_bdoy = \"1 MiB\"\n");
    says(&world, "an unknown key", 1, &["config.toml:3", "max_body"]);
    let world = World::new();
    world.env_file("GROQ_API_KEY=x\nthis is no line\n");
    says(&world, "a bad env line", 1, &["bitrouter/env:2"]);
    let world = World::new();
    world.write("config/bitrouter/registry/x.toml", "id = \"X Y\"\n");
    says(&world, "a bad manifest", 1, &["registry/x.toml"]);
}

#[test]
fn p15_an_unreadable_file_is_named() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    world.config("");
    set_mode(&world, "config/bitrouter/config.toml", 0o000);
    says(&world, "settings without permission", 1, &["config.toml", "ermission denied"]);
    let world = World::new();
    world.env_file("");
    set_mode(&world, "config/bitrouter/env", 0o000);
    says(&world, "an env file without permission", 1, &["bitrouter/env", "ermission denied"]);
    let world = World::new();
    world.directory("state");
    set_mode(&world, "state", 0o500);
    says(&world, "a state directory without permission", 1, &["state", "ermission denied"]);
    set_mode(&world, "state", 0o700);
}

#[test]
fn p15_what_was_asked_for_and_is_not_there_is_named() {
    let world = World::new();
    for (flag, name) in [("--config", "no-such.toml"), ("--env-file", "no-such.env")] {
        for verb in ["start", "serve"] {
            let output = world.cli([verb, "--demo", "--listen", "127.0.0.1:0", flag, name]).with_code(1);
            assert!(output.stderr.contains(name), "{verb} {flag}: {}", output.stderr);
        }
    }
    for (listen, named) in [
        ("127.0.0.1", "`--listen 127.0.0.1`"),
        ("nonsense", "`--listen nonsense`"),
        ("127.0.0.1:99999", "`--listen 127.0.0.1:99999`"),
        ("192.0.2.1:0", "192.0.2.1 is no address of this machine"),
    ] {
        let output = world.cli(["start", "--demo", "--listen", listen]).with_code(1);
        assert!(output.stderr.contains(named), "{listen}: {}", output.stderr);
    }
}

#[test]
fn p15_a_taken_port_names_who_holds_it() {
    let world = World::new();
    let other = World::new();
    let holder = other.demo();
    let listen = format!("127.0.0.1:{}", holder.port());
    for verb in ["start", "serve"] {
        let output = world.cli([verb, "--demo", "--listen", &listen]).with_code(1);
        let stderr = &output.stderr;
        assert!(stderr.contains(&format!("port {} is held", holder.port())), "{verb}: {stderr}");
    }
    // A process that lets itself be looked into is named; a daemon of ours does not.
    let script = "import socket,signal\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); \
                  print(s.getsockname()[1], flush=True); signal.pause()";
    let open = world.program("/usr/bin/env".as_ref(), ["python3", "-c", script]).spawn();
    let text = open.stdout().until("a port", |text| text.ends_with('\n'));
    let output = world.cli(["start", "--demo", "--listen", &format!("127.0.0.1:{}", text.trim())]).with_code(1);
    assert!(output.stderr.contains(&format!("(pid {})", open.pid())), "{}", output.stderr);
}

#[test]
fn p15_a_port_that_a_daemon_of_ours_has_names_it_and_never_ourselves() {
    let world = World::new();
    let daemon = world.demo();
    // A second daemon of the same user, which keeps its descriptors private even from him.
    let (state, run) = (world.directory("other-state"), world.directory("other-run"));
    let listen = format!("127.0.0.1:{}", daemon.port());
    let other = world.command(["serve", "--demo", "--listen", &listen]);
    let output = other.env("XDG_STATE_HOME", &state).env("XDG_RUNTIME_DIR", &run).run().with_code(1);
    let expected = format!("port {} is held by bitrouter (pid {})", daemon.port(), daemon.pid());
    // Where the tests do not have users of their own, other daemons of this one run beside it.
    if world.user().is_exclusive() {
        assert!(output.stderr.contains(&expected), "{}", output.stderr);
    }
    // Only the second address of the pair is taken: the first one is ours by then, and is not to blame.
    let script = "import socket,signal\ns=socket.socket(socket.AF_INET6); s.bind(('::1',0)); s.listen(); \
                  print(s.getsockname()[1], flush=True); signal.pause()";
    let held = world.program("/usr/bin/env".as_ref(), ["python3", "-c", script]).spawn();
    let port = held.stdout().until("a port", |text| text.ends_with('\n'));
    let listen = format!("127.0.0.1:{}", port.trim());
    let other = world.command(["serve", "--demo", "--listen", &listen]);
    let output = other.env("XDG_STATE_HOME", &state).env("XDG_RUNTIME_DIR", &run).run().with_code(1);
    assert!(output.stderr.contains(&format!("(pid {})", held.pid())), "{}", output.stderr);
}

#[test]
fn p15_a_daemon_that_dies_at_start_is_code_3_and_no_hang() {
    let world = World::new();
    let trace = world.path("home/trace").to_string_lossy().into_owned();
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let mut args = vec!["-f", "-qq", "-o", &trace, "-e", "inject=listen:signal=KILL", &binary];
    args.extend(DEMO);
    let output = world.program("/usr/bin/strace".as_ref(), &args).run();
    assert_eq!(output.code, 3, "{}", output.text());
    assert!(
        output.stderr.contains("before it was ready") && output.stderr.contains("bitrouter serve"),
        "{}",
        output.stderr
    );
    wait::holds("nothing to be left", || world.cli(["status"]).code == 1);
    world.cli(DEMO).expect_code(0);
}

#[test]
fn p15_when_the_service_manager_owns_it_restart_says_so() {
    let world = World::new();
    let daemon = world.serve().arg("--demo").env("NOTIFY_SOCKET", world.path("nobody.sock")).start();
    let output = world.cli(["restart"]).with_code(1);
    assert!(output.stderr.contains("systemctl --user restart"), "{}", output.stderr);
    assert_eq!(world.cli(["status", "--json"]).json()["pid"], daemon.pid());
}

#[test]
fn p15_what_a_detached_start_inherited_makes_it_nobodys_service() {
    let world = World::new();
    let notify = NotifySocket::open(&world);
    world.command(DEMO).env("NOTIFY_SOCKET", notify.path()).run().expect_code(0);
    let first = world.detached();
    world.cli(["restart"]).expect_code(0);
    assert_ne!(world.detached().pid(), first.pid());
    assert!(notify.heard().is_empty(), "the shell's manager was told of another process: {:?}", notify.heard());
}
