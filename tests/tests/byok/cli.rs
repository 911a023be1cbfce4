//! `bitrouter cloud byok` and `bitrouter node byok`.

use std::time::Duration;

use bitrouter_tests::{shared_files, terminal::Terminal, wait};
use serde_json::json;

use super::place::Place;

#[test]
fn a_key_comes_from_a_variable_from_standard_input_or_sealed() {
    let place = Place::new("", None);
    let (world, owner) = (&place.world, place.owner.access_token.clone());
    let seen = || {
        place.chat(&owner).send().ok();
        place.seen()
    };
    let set = ["cloud", "byok", "set", "--provider", "acme", "--local"];
    let with = |more: &[&str]| world.command(set.iter().copied().chain(more.iter().copied()));
    let (usual, named, piped) = (world.canary("usual"), world.canary("named"), world.canary("piped"));
    with(&["--from-env"]).env("BITROUTER_ACME_API_KEY", &usual).run().expect_code(0);
    assert_eq!(seen(), usual);
    with(&["--from-env", "MY_KEY"]).env("MY_KEY", &named).run().expect_code(0);
    assert_eq!(seen(), named);
    let said = with(&["--key-stdin", "--json"]).stdin(format!("{piped}\n")).run().with_code(0).json();
    assert_eq!((seen(), &said["provider_name"], &said["key_prefix"]), (piped, &json!("acme"), &json!("sk-")), "{said}");
    let sealed = place.sealed("acme", "sk-ant-four-flags");
    let (ciphertext, kek) =
        (sealed["ciphertext_b64"].as_str().expect("text"), sealed["kek_id"].as_str().expect("text"));
    let flags = ["--ciphertext-b64", ciphertext, "--kek-id", kek, "--key-prefix", "sk-ant-"];
    let text = with(&flags).run().with_code(0).stdout;
    assert!(text.contains("sk-ant-") && text.contains(kek), "{text}");
    assert_eq!(seen(), "sk-ant-four-flags");
    let list = world.cli(["cloud", "byok", "list", "--local"]).with_code(0).stdout;
    assert!(list.starts_with(&format!("acme\tsk-ant-\t{kek}\t")), "{list}");

    // What cannot be a key leaves the machine in no form, and is not repeated.
    let empty = with(&["--from-env"]).run().with_code(1);
    assert!(empty.stderr.contains("`BITROUTER_ACME_API_KEY` is not set"), "{}", empty.stderr);
    let canary = world.canary("bad");
    with(&["--key-stdin"]).stdin(format!("{canary}\u{e9}\n")).run().expect_code(1);
    with(&["--key-stdin"]).stdin("\n").run().expect_code(1);
    let asked = with(&[]).run().with_code(1);
    assert!(asked.stderr.contains("--key-stdin"), "{}", asked.stderr);
    for (flags, code) in [
        (&["--ciphertext-b64", "AAAA"][..], 1),
        (&["--kek-id", "kek_1"], 1),
        (&["--key-stdin", "--from-env"], 1),
        (&["--from-env", "sk-pasted-key"], 1),
    ] {
        let run = with(flags).run().with_code(code);
        assert!(!run.text().contains("sk-pasted-key"), "{}", run.text());
    }
    let stale = ["--ciphertext-b64", ciphertext, "--kek-id", "kek_0000000000000000", "--key-prefix", "x", "--json"];
    let error = with(&stale).run().with_code(1).error();
    assert_eq!((&error["status"], &error["field"]), (&json!(409), &json!("kek_id")), "{error}");
    let nobody = world.command(["cloud", "byok", "set", "--provider", "nobody", "--local", "--key-stdin", "--json"]);
    let error = nobody.stdin("sk-x\n").run().with_code(1).error();
    assert_eq!((&error["status"], &error["field"]), (&json!(400), &json!("provider_name")), "{error}");
    world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(1);
    assert_eq!(world.cli(["cloud", "byok", "list", "--local"]).with_code(0).stdout, "");
    place.daemon.stop();
}

#[test]
fn p03_a_typed_key_is_not_shown() {
    let place = Place::new("", None);
    let key = place.world.canary("typed");
    let words = ["cloud", "byok", "set", "--provider", "acme", "--local"];
    let mut terminal = Terminal::open(&place.world, shared_files::binary(), &words, &[]);
    terminal.until_contains("key for `acme` (not shown): ");
    terminal.enter(&key);
    assert!(terminal.wait(Duration::from_secs(20)).success(), "{}", terminal.text());
    let text = terminal.text();
    assert!(!text.contains(&key) && text.contains("acme"), "{text}");
    place.chat(&place.owner.access_token).send().ok();
    assert_eq!(place.seen(), key);
    place.daemon.stop();
}

#[test]
fn what_was_done_is_listed_and_what_keys_are_sealed_against_is_replaced() {
    let mut place = Place::new("", None);
    let (world, owner) = (place.world.clone(), place.owner.access_token.clone());
    assert_eq!(world.cli(["node", "byok", "audit"]).with_code(0).stdout, "");
    let key = world.canary("audited");
    place.set(&key, &[]);
    let before = place.stored()["kek_id"].clone();
    let rotated = world.cli(["node", "byok", "rotate", "--json"]).with_code(0).json();
    assert_eq!((&rotated["previous_kek_id"], &rotated["sealed_earlier"]), (&before, &json!(1)), "{rotated}");
    assert_ne!(rotated["kek_id"], before);
    // What was sealed before is good still, after a crash too.
    place.chat(&owner).send().ok();
    place.killed_and_started();
    place.chat(&owner).send().ok();
    assert_eq!((place.seen(), &place.stored()["kek_id"]), (key, &before));
    place.set_as(&owner, "sk-by-a-program");
    assert_eq!(place.stored()["kek_id"], rotated["kek_id"]);
    world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    let audit = world.cli(["node", "byok", "audit", "--json"]).with_code(0).json();
    let told: Vec<_> = audit["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["action"].clone(), row["kek_id"].clone()))
        .collect();
    let (submitted, deleted) = (json!("submitted"), json!("deleted"));
    let now = rotated["kek_id"].clone();
    assert_eq!(told, [(deleted, now.clone()), (submitted.clone(), now), (submitted, before)], "{audit}");
    let credentials: Vec<_> = audit["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["credential"].as_str().expect("text").to_owned())
        .collect();
    assert!(credentials[0] == "socket" && credentials[1].starts_with("tok_"), "{credentials:?}");
    let table = world.cli(["node", "byok", "audit"]).with_code(0).stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
    let warned = wait::until("the warning", || place.daemon.warning("byok_changed"));
    assert!(warned["message"].as_str().is_some_and(|text| text.contains("for `acme` was deleted")), "{warned}");
    assert_eq!(warned["command"], "bitrouter node byok audit");
    place.daemon.stop();
}
