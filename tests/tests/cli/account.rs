//! Who is signed in, as far as no server is asked: whole runs of the commands that are told by a file or a variable.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::World;
use serde_json::{Value, json};

const FILE: &str = "data/bitrouter/account-credentials.json";
const WHO: [&[&str]; 3] = [&["auth", "whoami"], &["cloud", "whoami"], &["cloud", "namespace", "current"]];

fn credential() -> Value {
    json!({
        "access_token": "opaque", "expires_at": "2100-01-01T00:00:00Z", "client_id": "bitrouter-cli", "scope": "usage:read",
        "authorization_server": "https://far.example", "namespace_id": "ns_far", "token_type": "Bearer",
    })
}

#[test]
fn p04_a_key_of_the_environment_says_so_and_is_shown_nowhere() {
    let world = World::new();
    // It beats what is stored.
    world.write(FILE, credential().to_string());
    let key = format!("brk_{}.secret", world.canary("key"));
    world.watch(&key);
    let run = |words: &[&str]| {
        let run = world.command(words).env("BITROUTER_API_KEY", &key);
        run.env("BITROUTER_API_URL", "https://key.example/").run()
    };
    let who = run(&["auth", "whoami", "--json"]).with_code(0).json();
    assert_eq!((&who["authentication"], &who["credentials_path"]), (&json!("api_key"), &Value::Null), "{who}");
    let who = run(&["cloud", "whoami", "--json"]).with_code(0).json();
    assert_eq!(who["base_url"], "https://key.example", "{who}");
    assert!(run(&["auth", "whoami"]).with_code(0).stdout.contains("`BITROUTER_API_KEY`"));
    let none = run(&["cloud", "namespace", "current"]).with_code(0);
    assert!(none.stdout.starts_with("(no namespace"), "{}", none.stdout);
    assert!(!world.daemon_json().exists());
    assert_eq!(world.leaks(), Vec::<String>::new());
}

#[test]
fn p01_a_bad_file_is_named_with_its_cure_and_stays_as_it_is() {
    let world = World::new();
    let good = credential().to_string();
    for (content, mode, part) in [
        (good.as_str(), 0o644, "chmod 600 "),
        (good.as_str(), 0o640, "chmod 600 "),
        ("{", 0o600, "bitrouter auth login"),
        (r#"{"kind":"passkey"}"#, 0o600, "bitrouter auth login"),
        ("", 0o600, "bitrouter auth login"),
    ] {
        let path = world.write_mode(FILE, content, mode);
        for words in WHO {
            let told = world.command(words).run().with_code(1);
            assert_eq!(told.stdout, "");
            assert!(told.stderr.contains(&path.display().to_string()) && told.stderr.contains(part), "{}", told.stderr);
            let error = world.command(words.iter().copied().chain(["--json"])).run().with_code(1).error();
            assert_eq!(error["code"], "bad_credential", "{error}");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), content);
        assert_eq!(path.metadata().expect("the file").permissions().mode() & 0o777, mode);
        std::fs::remove_file(path).expect("the file");
    }
    std::os::unix::fs::symlink(world.write("elsewhere", &good), world.path(FILE)).expect("a link");
    let told = world.cli(["auth", "whoami"]).with_code(1);
    assert!(told.stderr.contains("symlink"), "{}", told.stderr);
}

#[test]
fn p03_what_a_server_chose_is_no_command_to_a_terminal() {
    let world = World::new();
    let mut hostile = credential();
    for member in ["scope", "namespace_id", "subject", "client_id", "authorization_server"] {
        hostile[member] = format!("https://x\u{1b}]0;{member}\u{7}\u{202e}").into();
    }
    world.write(FILE, hostile.to_string());
    for words in WHO {
        for words in [words.to_vec(), [words, &["--json"]].concat()] {
            let told = world.command(&words).run().with_code(0);
            assert!(!told.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{words:?}: {:?}", told.stdout);
        }
    }
}

#[test]
fn what_makes_no_sense_together_is_a_mistake() {
    let world = World::new();
    for (words, part) in [
        (&["--namespace", "x"][..], "needs --local"),
        (&["--local", "--oauth-as", "https://x.example"], "exclude each other"),
        (&["--local", "--api-key-stdin"], "exclude each other"),
        (&["--api-key-stdin", "--scope", "usage:read"], "exclude each other"),
        (&["--api-key", "brk_x.y"], "--api-key"),
    ] {
        let told = world.command(["auth", "login"].iter().chain(words)).run().with_code(1);
        assert!(told.stderr.contains(part), "{words:?}: {}", told.stderr);
    }
    assert!(!world.daemon_json().exists(), "a mistake starts no daemon");
}

#[test]
fn a_daemon_is_started_with_the_flags_of_serve_and_a_scope_that_is_missing_is_one_line() {
    let world = World::new();
    let flags = ["--demo", "--listen", "127.0.0.1:0"];
    let login = ["auth", "login", "--local", "--scope", "usage:read"];
    let told = world.command(login.iter().chain(&flags)).run().with_code(0);
    let daemon = world.detached();
    assert_eq!(told.stdout, "");
    assert!(told.stderr.starts_with(&format!("started bitrouter (pid {})\n", daemon.pid())), "{}", told.stderr);
    assert_eq!(daemon.provider("demo")["active"], true);
    let hint = "bitrouter auth login --scope \"usage:read namespace:read\" --local";
    let told = world.cli(["cloud", "namespace", "list"]).with_code(1);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", format!("{hint}\n").as_str()));
    let error = world.cli(["cloud", "namespace", "list", "--json"]).with_code(1).error();
    assert_eq!((&error["status"], &error["hint"]), (&json!(403), &json!(hint)), "{error}");
    assert_eq!(error["message"], "missing required scope: namespace:read", "{error}");
    // What was shown can be run, and is the cure.
    let line = hint.replacen("bitrouter", &bitrouter_tests::shared_files::binary().display().to_string(), 1);
    world.program("/bin/sh".as_ref(), ["-c", &line]).run().expect_code(0);
    let listed = world.cli(["cloud", "namespace", "list"]).with_code(0).stdout;
    assert!(listed.contains("\tdefault\t(active)"), "{listed}");
    let status = world.cli(["status"]).with_code(0).stdout;
    assert!(status.contains("  account    signed in at http://127.0.0.1:"), "{status}");
    daemon.stop();
    // What is there has to be revoked, by a daemon.
    let told = world.command(["auth", "logout"].iter().chain(&flags)).run().with_code(0);
    let daemon = world.detached();
    assert!(
        told.stderr.contains("started bitrouter (pid ") && told.stderr.ends_with("signed out\n"),
        "{}",
        told.stderr
    );
    assert!(!world.path(FILE).exists());
    daemon.stop();
    world.cli(["auth", "logout", "--no-autostart"]).expect_code(0);
}

#[test]
fn a_socket_that_was_chosen_by_hand_starts_nothing() {
    let world = World::new();
    let socket = world.path("nobody.sock").display().to_string();
    for words in [&["auth", "login", "--local"][..], &["cloud", "namespace", "list"], &["auth", "logout"]] {
        let told = world.command(words.iter().copied().chain(["--socket", &socket])).run().with_code(2);
        assert!(told.stderr.contains("hint: bitrouter start"), "{words:?}: {}", told.stderr);
    }
    assert!(!world.daemon_json().exists());
}
