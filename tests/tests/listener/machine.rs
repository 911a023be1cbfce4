//! Odd machines: no IPv6, callers in a user namespace, a daemon that is root.

use std::{net::SocketAddr, os::unix::fs::DirBuilderExt as _, path::Path};

use bitrouter_tests::{Output, User, World, shared_files, wait};

const UNSHARE: &str = "/usr/bin/unshare";

#[test]
fn p06_a_machine_without_ipv6_is_served_on_ipv4() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("the right to a network of its own");
    }
    let uid = world.user().uid();
    let become_user = format!("setpriv --reuid={uid} --regid={uid} --clear-groups");
    let script = format!(
        "/usr/sbin/ip link set lo up && echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 || exit 77\n\
         exec {become_user} \"$BITROUTER\" serve --demo --listen 127.0.0.1:0"
    );
    let run = world.program(Path::new(UNSHARE), ["--net", "/bin/sh", "-c", &script]).as_user(User::root());
    let mut process = run.env("BITROUTER", shared_files::binary()).spawn();
    wait::holds("an end or readiness", || process.status().is_some() || world.daemon_file().is_some());
    if process.status().is_some() {
        return shared_files::lacks("a network namespace whose IPv6 can be switched off");
    }
    let status = world.until_running();
    let addr: SocketAddr = status["listen"][0].as_str().expect("an address").parse().expect("an address");
    assert!(addr.is_ipv4() && status["listen"].as_array().is_some_and(|all| all.len() == 1), "{status:#}");
    // Nothing is wrong with such a machine.
    let warnings = status["warnings"].as_array().expect("warnings");
    assert!(!warnings.iter().any(|one| one["severity"] == "error" || one.to_string().contains("IPv6")), "{warnings:?}");
    let network = format!("--net=/proc/{}/ns/net", status["pid"]);
    let script = format!("exec {become_user} curl -s http://{addr}/v1/chat/completions {JSON}");
    let inside = world.program(Path::new("/usr/bin/nsenter"), [&network, "/bin/sh", "-c", &script]);
    let answer = inside.as_user(User::root()).run().with_code(0).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "hi", "{answer}");
}

/// The rest of a `curl` line that asks the echo.
const JSON: &str =
    r#"-H 'content-type: application/json' -d '{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}'"#;

#[test]
fn p06_a_caller_in_a_user_namespace_is_who_it_is_outside() {
    let world = World::new();
    let daemon = world.demo();
    let line = format!("exec curl -s -w '\\n%{{http_code}}' {}/chat/completions {JSON}", daemon.base_url());
    let call = |user: User, more: &[&str]| -> Output {
        let args: Vec<&str> =
            ["--user"].into_iter().chain(more.iter().copied()).chain(["/bin/sh", "-c", &line]).collect();
        world.program(Path::new(UNSHARE), args).as_user(user).in_directory(Path::new("/")).run()
    };
    let own = call(world.user(), &[]);
    if own.stderr.contains("unshare") {
        return shared_files::lacks("user namespaces");
    }
    // Inside it is the overflow uid, or root; outside it is the daemon's user all the same.
    for more in [&[][..], &["--map-root-user"]] {
        let output = call(world.user(), more);
        assert!(output.stdout.ends_with("\n200"), "{more:?}: {}", output.text());
    }
    let Some(foreign) = world.user().foreign() else { return };
    for more in [&[][..], &["--map-root-user"]] {
        let output = call(foreign, more);
        assert!(output.stdout.ends_with("\n401") && output.stdout.contains("api_key_required"), "{}", output.text());
    }
}

#[test]
fn running_as_root_works_and_is_said_once() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("root");
    }
    // Directories of root's own: another user's are refused.
    let home = tempfile::Builder::new().prefix("br").tempdir_in(shared_files::temporary()).expect("a home");
    for name in ["config", "data", "state", "run"] {
        std::fs::DirBuilder::new().mode(0o700).create(home.path().join(name)).expect("a directory");
    }
    let as_root = |args: &[&str]| {
        let run = world.command(args).as_user(User::root()).in_directory(Path::new("/")).env("HOME", home.path());
        let run = run.env("XDG_CONFIG_HOME", home.path().join("config")).env("XDG_DATA_HOME", home.path().join("data"));
        run.env("XDG_STATE_HOME", home.path().join("state")).env("XDG_RUNTIME_DIR", home.path().join("run"))
    };
    let started = as_root(&["start", "--demo", "--listen", "127.0.0.1:0", "--json"]).run().with_code(0).json();
    let status = as_root(&["status", "--json"]).run().with_code(0).json();
    let warnings = status["warnings"].as_array().expect("warnings");
    let said: Vec<_> = warnings.iter().filter(|one| one["code"] == "running_as_root").collect();
    assert_eq!(said.len(), 1, "{warnings:?}");
    assert_eq!(said[0]["severity"], "info");
    assert!(said[0]["message"].as_str().is_some_and(|text| text.contains("an ordinary user is enough")), "{said:?}");
    let addr = started["listen"][0].as_str().expect("an address").parse().expect("an address");
    let answer = bitrouter_tests::Client::new(addr, User::root()).chat("demo/echo", "hi").send().ok();
    assert_eq!(answer.content(), "hi");
    as_root(&["stop"]).run().expect_code(0);
}
