//! A key and an address that do not belong together are handed to nobody, nor are those that open nothing.

use bitrouter_tests::{Provider, Reply, World, issuer::Issuer, provider::Absent, shared_files};
use serde_json::{Value, json};

use crate::named::{at, shown, tokenroute};

const FILE: &str = "state/bitrouter/last-key";
const OTHER_FILE: &str = "home/.tokenroute/last_key.txt";
const VERBS: [&str; 3] = ["env", "test", "models"];

/// A new key of the own node: its id and itself.
fn made(world: &World, more: &[&str]) -> (String, String) {
    let words = [&["keys", "create", "-n", "x", "--local", "--json"], more].concat();
    let (stdout, _) = shown(world, shared_files::binary(), &words, &[]);
    let key: Value = serde_json::from_str(&stdout).expect("a document");
    let text = |member: &str| key[member].as_str().expect("a text").to_owned();
    (text("id"), text("raw"))
}

#[test]
fn a_key_of_the_own_node_is_taken_to_no_other_server() {
    let world = World::new();
    let daemon = world.demo();
    let (_, raw) = made(&world, &["--no-cache"]);
    let elsewhere = Provider::start_as(world.user(), 0);
    elsewhere.always(|_| Reply::json(404, "{}"));
    let url = format!("http://{}", elsewhere.addr());
    let link = tokenroute(&world);
    for (program, name) in [(shared_files::binary(), "BITROUTER"), (link.as_path(), "TOKENROUTE")] {
        for verb in VERBS {
            let run = |words: &[&str]| {
                let words = [&[verb, "--json"], words].concat();
                world.program(program, words).env(format!("{name}_API_URL"), &url)
            };
            for run in [
                run(&["-k", &raw]),
                run(&["--key-stdin"]).stdin(format!("{raw}\n")),
                run(&[]).env(format!("{name}_API_KEY"), &raw),
            ] {
                let refused = run.run().with_code(1);
                let error = refused.error();
                assert_eq!((refused.stdout.as_str(), &error["code"]), ("", &json!("other_server")), "{name} {verb}");
                let message = error["message"].as_str().expect("a message");
                assert!(message.contains(&url) && message.contains(&daemon.addr().to_string()), "{message}");
                assert!(!refused.stderr.contains(&raw), "{name} {verb}");
            }
        }
    }
    // The usual server of the other name is another one too, and a file with the key alone says nothing of one.
    let usual = world.program(&link, ["env", "-k", &raw, "--json"]).run().with_code(1).error();
    assert!(usual["message"].as_str().is_some_and(|text| text.contains("https://api.tokenroute.io")), "{usual}");
    world.write(OTHER_FILE, &raw);
    let alone = world.program(&link, ["env", "--json"]).run().with_code(1).error();
    assert_eq!(alone["code"], "other_server", "{alone}");
    world.write(OTHER_FILE, format!("{raw}\nhttps://far.example/v1\n"));
    let pair = world.program(&link, ["env", "--json"]).run().with_code(1).error();
    assert_eq!(pair["code"], "other_server", "{pair}");
    assert_eq!(elsewhere.connections(), 0);
    std::fs::remove_file(world.path(OTHER_FILE)).expect("removed");
    // Its own is one by any spelling.
    let spelled = format!("HTTP://LOCALHOST:{}", daemon.addr().port());
    let (env, _) = shown(&world, &link, &["env", "-k", &raw], &[("TOKENROUTE_API_URL", &spelled)]);
    assert_eq!(env, format!("OPENAI_API_KEY={raw}\nOPENAI_BASE_URL={}/v1\n", spelled.to_lowercase()));
    daemon.stop();
}

#[test]
fn an_address_that_the_variable_names_is_looked_at() {
    let world = World::new();
    for url in ["http://far.example", "http://192.0.2.1:80", "https://someone:canary@far.example"] {
        let refused = at(&world, url, &["env", "-k", "sk-tr-x", "--json"]).run().with_code(1);
        assert_eq!((refused.stdout.as_str(), &refused.error()["code"]), ("", &json!("bad_url")), "{url}");
        assert!(!refused.stderr.contains("canary"), "{}", refused.stderr);
    }
    let absent = Absent::somewhere();
    let silent = absent.base_url().trim_end_matches("/v1").to_owned();
    let refused = at(&world, &silent, &["env", "-k", "sk-tr-x", "--json"]).run().with_code(2);
    assert_eq!((refused.stdout.as_str(), &refused.error()["code"]), ("", &json!("nothing_listens")));
    let placeholder = at(&world, "https://a.example", &["env", "--json"]).env("TOKENROUTE_API_KEY", "bitrouter-local");
    assert_eq!(placeholder.run().with_code(1).error()["code"], "bad_key");
    let long = "a".repeat(4_097);
    let program = tokenroute(&world);
    let refused = world.program(&program, ["env", "--key-stdin", "--json"]).stdin(format!("{long}\n")).run();
    assert_eq!(refused.with_code(1).error()["code"], "bad_key");
    let Some(foreign) = world.user().foreign() else { return };
    let theirs = Provider::start_as(foreign, 0);
    let refused = at(&world, &format!("http://{}", theirs.addr()), &["env", "-k", "sk-tr-x", "--json"]).run();
    let refused = refused.with_code(1);
    assert_eq!((refused.stdout.as_str(), &refused.error()["code"]), ("", &json!("foreign_listener")));
    assert_eq!(theirs.connections(), 0);
}

#[test]
fn what_opens_nothing_is_handed_to_nobody() {
    let world = World::new();
    world.config("[server]\nkeyless = \"never\"\n");
    let daemon = world.demo();
    let server = format!("http://{}", daemon.addr());
    for words in [&["env", "--json"][..], &["env", "-k", "anything", "--json"]] {
        let refused = world.cli(words.iter().copied()).with_code(1);
        let error = refused.error();
        assert_eq!((refused.stdout.as_str(), &error["code"]), ("", &json!("no_key")), "{words:?}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("keys create")), "{error}");
    }
    let (id, raw) = made(&world, &[]);
    let binary = shared_files::binary();
    assert!(shown(&world, binary, &["env"], &[]).0.contains(&raw));
    let strange = "brk_00000000000000000000000000.x";
    for run in [
        world.command(["env", "-k", strange, "--local", "--json"]),
        at(&world, &server, &["env", "-k", strange, "--json"]),
        world.command(["env", "-k", strange, "--json"]).env("BITROUTER_API_URL", &server),
    ] {
        assert_eq!(run.run().with_code(1).stdout, "");
    }
    // By any path that revokes it, it is forgotten under both names.
    let kept = std::fs::read_to_string(world.path(FILE)).expect("the file");
    world.write(OTHER_FILE, &kept);
    let secret = world.cli(["cloud", "keys", "revoke", &raw, "--local", "--json"]).with_code(1);
    assert!(!secret.stderr.contains(&raw) && secret.error()["code"] == "bad_argument");
    world.cli(["cloud", "keys", "revoke", &id, "--local"]).expect_code(0);
    assert!(!world.path(FILE).exists() && !world.path(OTHER_FILE).exists());
    // What was revoked elsewhere is found out.
    world.write(FILE, &kept);
    let ended = world.cli(["env", "--json"]).with_code(1);
    assert_eq!((ended.stdout.as_str(), &ended.error()["code"]), ("", &json!("no_key")));
    assert!(!world.path(FILE).exists());
    daemon.stop();
    world.write(FILE, format!("{raw}\n{server}/v1\n"));
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    world.write(FILE, format!("{raw}\n{}\n", daemon.base_url()));
    let off = world.cli(["env", "--json"]).with_code(1);
    assert_eq!((off.stdout.as_str(), &off.error()["code"]), ("", &json!("no_key")));
    assert!(world.path(FILE).exists(), "it may open something again");
    daemon.stop();
}

#[test]
fn the_last_key_counts_in_its_own_namespace() {
    let world = World::new();
    let daemon = world.demo();
    world.cli(["node", "namespace", "create", "staging"]).expect_code(0);
    let env = |namespace: &str| ["env", "--local", "--namespace", namespace, "--json"].map(str::to_owned);
    for verb in VERBS {
        let unknown = world.cli([verb, "--local", "--namespace", "nowhere", "--json"]).with_code(1).error();
        assert!(unknown["message"].as_str().is_some_and(|text| text.contains("nowhere")), "{verb}: {unknown}");
    }
    assert_eq!(world.cli(env("staging")).with_code(1).error()["code"], "no_key");
    made(&world, &[]);
    assert_eq!(world.cli(env("staging")).with_code(1).error()["code"], "no_key");
    let (_, raw) = made(&world, &["--namespace", "staging"]);
    let words = ["env", "--local", "--namespace", "staging"];
    assert!(shown(&world, shared_files::binary(), &words, &[]).0.contains(&raw));
    daemon.stop();
}

#[test]
fn an_answer_without_a_usable_key_leaves_the_last_one() {
    let world = World::new();
    let issuer = Issuer::start(world.user(), 3_600);
    world.write("data/bitrouter/account-credentials.json", issuer.credential(&issuer.session(), 3_600).to_string());
    world.config("[node]\nenabled = false\n");
    let daemon = world.demo();
    let kept = "sk-tr-kept\nhttps://far.example/v1\n";
    world.write(OTHER_FILE, kept);
    for raw in ["", " ", "two words"] {
        let key = json!({
            "token": raw, "id": "key_1", "key_prefix": "brk_1", "display_name": "x", "scopes": ["inference:invoke"],
            "expires_at": null,
        });
        issuer.rest_instead(Some(Reply::json(201, key.to_string())));
        let told = at(&world, &issuer.url(), &["keys", "create", "-n", "x", "--json"]).run().with_code(3);
        assert_eq!(told.stdout, "", "{raw:?}");
        assert_eq!(std::fs::read_to_string(world.path(OTHER_FILE)).expect("the file"), kept);
    }
    daemon.stop();
}
