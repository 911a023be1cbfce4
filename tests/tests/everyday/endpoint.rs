//! Which address is handed out with which key: never one that is not the daemon's own user's, never a key to another server.

use bitrouter_proto::{status::State, wire::StatusResponse};
use bitrouter_tests::{
    Provider, World,
    fake_daemon::{Answers, FakeDaemon},
    shared_files,
};
use serde_json::json;

use crate::named::{at, shown, tokenroute};

#[test]
fn without_a_key_it_is_the_own_listener_and_the_placeholder() {
    let world = World::new();
    let daemon = world.demo();
    let env = world.cli(["env"]).with_code(0);
    assert_eq!(env.stdout, format!("OPENAI_API_KEY=bitrouter-local\nOPENAI_BASE_URL={}\n", daemon.base_url()));
    assert_eq!(env.stderr, "");
    let env = world.cli(["env", "--json"]).with_code(0).json();
    assert_eq!(env, json!({"OPENAI_API_KEY": "bitrouter-local", "OPENAI_BASE_URL": daemon.base_url()}));
    let fish = world.cli(["env", "--format", "fish"]).with_code(0).stdout;
    let expected = format!("set -gx OPENAI_API_KEY bitrouter-local\nset -gx OPENAI_BASE_URL {}\n", daemon.base_url());
    assert_eq!(fish, expected);
    // What was printed opens it.
    let shell = format!("{} env --format export", shared_files::binary().display());
    let script = format!("eval \"$({shell})\"; printf '%s %s' \"$OPENAI_API_KEY\" \"$OPENAI_BASE_URL\"");
    let told = world.program("/bin/sh".as_ref(), ["-c", &script]).run().with_code(0).stdout;
    assert_eq!(told, format!("bitrouter-local {}", daemon.base_url()));
    daemon.stop();
}

#[test]
fn a_daemon_is_started_for_it_unless_nobody_may() {
    let world = World::new();
    let refused = world.cli(["env", "--no-autostart", "--json"]).with_code(2);
    assert_eq!((refused.stdout.as_str(), &refused.error()["hint"]), ("", &json!("bitrouter start")));
    let env = world.cli(["env", "--demo", "--listen", "127.0.0.1:0"]).with_code(0);
    let daemon = world.detached();
    assert_eq!(env.stdout, format!("OPENAI_API_KEY=bitrouter-local\nOPENAI_BASE_URL={}\n", daemon.base_url()));
    assert!(env.stderr.starts_with("started bitrouter (pid "), "{}", env.stderr);
    daemon.stop();
}

#[test]
fn a_daemon_is_started_with_no_key_in_its_arguments() {
    let world = World::new();
    let key = format!("brk_{}.x", world.canary("argument"));
    for verb in ["env", "test", "models"] {
        let refused = world.cli([verb, "--key", &key, "--json"]).with_code(2);
        assert_eq!(
            (&refused.error()["code"], &refused.error()["hint"]),
            (&json!("not_running"), &json!("bitrouter start"))
        );
    }
    assert!(!world.daemon_json().exists());
    assert_eq!(world.leaks(), Vec::<String>::new());
}

#[test]
fn a_listener_of_another_user_is_handed_to_nobody() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let theirs = Provider::start_as(foreign, 0);
    // Whoever answers as the daemon does, its own word for where it listens is checked.
    let status = StatusResponse {
        state: State::Running.as_str().to_owned(),
        listen: vec![theirs.addr().to_string()],
        ..StatusResponse::default()
    };
    let _fake = FakeDaemon::answering(&world, Answers { status, names: Vec::new() });
    let refused = world.cli(["env", "--json"]).with_code(1);
    assert_eq!((refused.stdout.as_str(), &refused.error()["code"]), ("", &json!("foreign_listener")));
    assert!(refused.stderr.contains(&foreign.uid().to_string()), "{}", refused.stderr);
    // Nor is the last key told to whoever took the port since.
    let key = format!("brk_{}.secret", world.canary("last"));
    world.write("state/bitrouter/last-key", format!("{key}\nhttp://{}/v1\n", theirs.addr()));
    world.holds_secrets("state/bitrouter/last-key");
    for verb in ["env", "test", "models"] {
        let refused = world.cli([verb, "--json"]).with_code(1);
        assert_eq!((refused.stdout.as_str(), &refused.error()["code"]), ("", &json!("foreign_listener")), "{verb}");
    }
    assert_eq!(theirs.connections(), 0);
    assert_eq!(world.leaks(), Vec::<String>::new());
}

#[test]
fn nothing_listens_where_the_daemon_says() {
    let world = World::new();
    let status = StatusResponse {
        state: State::Running.as_str().to_owned(),
        listen: vec![format!("127.0.0.1:{}", world.user().port())],
        ..StatusResponse::default()
    };
    let _fake = FakeDaemon::answering(&world, Answers { status, names: Vec::new() });
    let refused = world.cli(["env", "--json"]).with_code(2);
    assert_eq!((refused.stdout.as_str(), &refused.error()["code"]), ("", &json!("nothing_listens")));
}

#[test]
fn another_servers_key_comes_with_that_servers_address() {
    let world = World::new();
    let daemon = world.demo();
    let binary = shared_files::binary();
    world.write("state/bitrouter/last-key", "brk_far.secret\nhttps://far.example/v1\n");
    let (env, _) = shown(&world, binary, &["env"], &[]);
    assert_eq!(env, "OPENAI_API_KEY=brk_far.secret\nOPENAI_BASE_URL=https://far.example/v1\n");
    // The own node is asked for by name, and is not told that key.
    let own = format!("OPENAI_API_KEY=bitrouter-local\nOPENAI_BASE_URL={}\n", daemon.base_url());
    assert_eq!(shown(&world, binary, &["env", "--local"], &[]).0, own);
    // The same key from a flag is no other one.
    let (env, _) = shown(&world, binary, &["env", "--key", "brk_far.secret"], &[]);
    assert!(env.ends_with("https://far.example/v1\n"), "{env}");
    let meant = world.command(["env", "--json"]).env("BITROUTER_API_URL", "https://other.example").run();
    assert_eq!(meant.with_code(1).error()["code"], "no_key");
    // Of a key that nobody knows nothing is guessed, but that the variable says.
    let unknown = world.cli(["env", "--key", "brk_00000000000000000000000000.x", "--json"]).with_code(1).error();
    assert_eq!(unknown["code"], "unknown_server", "{unknown}");
    let (env, _) = shown(&world, binary, &["env", "-k", "brk_0.x"], &[("BITROUTER_API_URL", "https://other.example/")]);
    assert_eq!(env, "OPENAI_API_KEY=brk_0.x\nOPENAI_BASE_URL=https://other.example/v1\n");
    let (env, _) = shown(&world, binary, &["env", "-k", "sk-tr-1"], &[]);
    assert_eq!(env, "OPENAI_API_KEY=sk-tr-1\nOPENAI_BASE_URL=https://api.tokenroute.io/v1\n");
    let nobody = world.cli(["env", "--cloud", "--json"]).with_code(1).error();
    assert_eq!(nobody["code"], "not_signed_in", "{nobody}");
    daemon.stop();
}

#[test]
fn a_key_of_the_own_node_is_found_again_where_the_daemon_listens_by_now() {
    let world = World::new();
    let daemon = world.demo();
    let binary = shared_files::binary();
    let (made, _) = shown(&world, binary, &["keys", "create", "-n", "x", "--local", "--json"], &[]);
    let key: serde_json::Value = serde_json::from_str(&made).expect("a document");
    let raw = key["raw"].as_str().expect("a key");
    let before = daemon.base_url();
    daemon.stop();
    let port = world.user().port();
    world.config(&format!("[server]\nlisten = \"127.0.0.1:{port}\"\n"));
    let daemon = world.serve().arg("--demo").listen_as_configured().start();
    assert_ne!(daemon.base_url(), before);
    let (env, _) = shown(&world, binary, &["env"], &[]);
    assert_eq!(env, format!("OPENAI_API_KEY={raw}\nOPENAI_BASE_URL={}\n", daemon.base_url()));
    let (env, _) = shown(&world, binary, &["env", "--key", raw], &[]);
    assert!(env.ends_with(&format!("OPENAI_BASE_URL={}\n", daemon.base_url())), "{env}");
    daemon.stop();
}

#[test]
fn under_the_other_name_there_is_no_placeholder() {
    let world = World::new();
    let program = tokenroute(&world);
    let none = world.program(&program, ["env", "--json"]).run().with_code(1).error();
    assert_eq!(
        (&none["code"], &none["hint"]),
        (&json!("no_key"), &json!("tokenroute keys create --name NAME")),
        "{none}"
    );
    let bad = at(&world, "https://a.example", &["env", "--json"]).env("TOKENROUTE_API_KEY", "two words").run();
    assert_eq!(bad.with_code(1).error()["code"], "bad_key");
    for url in ["nonsense", "ftp://a.example", "https://a.example/$(id)"] {
        let bad = at(&world, url, &["env", "--key", "sk-tr-x", "--json"]).run().with_code(1);
        assert_eq!((bad.stdout.as_str(), &bad.error()["code"]), ("", &json!("bad_url")), "{url}");
    }
}
