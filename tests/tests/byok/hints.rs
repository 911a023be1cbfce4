//! What somebody is told who has no key stored, or stores one wrongly.

use bitrouter_tests::World;
use serde_json::json;

use super::place::{Place, manifest};

#[test]
fn a_call_that_nobody_pays_for_says_how_a_key_is_stored() {
    let place = Place::new("", None);
    let refused = place.chat(&place.owner.access_token).send().refused(402, "provider_key_missing");
    let hint = "bitrouter cloud byok set --provider acme";
    assert_eq!(
        (&refused["hint"], &refused["variables"]),
        (&json!(hint), &json!(["BITROUTER_ACME_API_KEY"])),
        "{refused}"
    );
    assert!(refused["message"].as_str().is_some_and(|text| text.contains(hint)), "{refused}");
    // Whoever has no credential calls in a namespace of the node's owner.
    let refused = place.http().chat("acme:m", "hello").send().refused(402, "provider_key_missing");
    assert_eq!(refused["hint"], json!(format!("{hint} --local")), "{refused}");
    place.set("sk-of-the-owner", &[]);
    place.chat(&place.owner.access_token).send().ok();
    place.world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    let refused = place.chat(&place.owner.access_token).send().refused(402, "provider_key_missing");
    assert_eq!(refused["hint"], json!(hint), "{refused}");
    place.daemon.stop();
    // Without a node nobody can store one.
    let world = World::new();
    world.config("[node]\nenabled = false\n");
    let daemon = world.serve().arg("--demo").start();
    let refused = daemon.http().chat("openai:m", "hello").send().refused(402, "provider_key_missing");
    assert!(refused.get("hint").is_none() && !refused.to_string().contains("byok"), "{refused}");
    daemon.stop();
}

#[test]
fn a_key_without_the_scope_is_told_to_sign_in_since_no_key_can_have_it() {
    let place = Place::new("", None);
    let mint = ["cloud", "keys", "mint", "--local", "--name", "ci", "--scope", "inference:invoke byok:read", "--json"];
    let minted = place.world.cli(mint).with_code(0).json();
    let key = minted["token"].as_str().expect("a key").to_owned();
    place.world.env_file(&format!("BITROUTER_API_KEY={key}\n"));
    place.daemon.reload();
    let set = ["cloud", "byok", "set", "--provider", "acme", "--key-stdin", "--json"];
    let run = place.world.command(set).stdin("sk-of-the-owner\n").run().with_code(1);
    let error = run.error();
    assert_eq!(error["status"], 403, "{error}");
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.starts_with("bitrouter auth login") && !hint.contains("mint"), "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("no API key can hold")), "{error}");
    place.daemon.stop();
}

#[test]
fn every_variable_of_the_manifest_is_looked_at_in_its_order() {
    let place = Place::new("", None);
    let own = manifest("acme", &place.provider, "modes = [\"byok\"]")
        .replace("[payment]", "[auth]\nenv = [\"ACME_TOKEN\", \"OLD_ACME_TOKEN\"]\n[payment]");
    place.world.write("config/bitrouter/registry/acme.toml", own);
    place.daemon.reload();
    let set = |provider: &str, variables: &[(&str, &str)]| {
        let words = ["cloud", "byok", "set", "--provider", provider, "--local", "--from-env", "--json"];
        let command = place.world.command(words);
        variables.iter().fold(command, |command, (name, value)| command.env(name, value)).run()
    };
    let seen = || {
        place.chat(&place.owner.access_token).send().ok();
        place.seen()
    };
    let all = [("OLD_ACME_TOKEN", "sk-old"), ("ACME_TOKEN", "sk-new"), ("BITROUTER_ACME_API_KEY", "sk-own")];
    for (count, expected) in [(1, "sk-old"), (2, "sk-new"), (3, "sk-own")] {
        set("acme", &all[..count]).expect_code(0);
        assert_eq!(seen(), expected);
    }
    let error = set("acme", &[("ACME_API_KEY", "sk-not-of-it")]).with_code(1).error();
    let names = "`BITROUTER_ACME_API_KEY` or `ACME_TOKEN` or `OLD_ACME_TOKEN` is not set here";
    assert_eq!(error["message"], names, "{error}");
    let google = [("GEMINI_API_KEY", "AIza-gemini-key-of-somebody")];
    let told = set("google", &google).with_code(0).json();
    assert_eq!(told["provider_name"], "google", "{told}");
    let error = set("google", &[]).with_code(1).error();
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("`GOOGLE_API_KEY` or `GEMINI_API_KEY`")),
        "{error}"
    );
    place.daemon.stop();
}

#[test]
fn p04_what_is_pasted_with_its_quotation_marks_is_refused_and_blanks_are_cut() {
    let place = Place::new("", None);
    let key = place.world.canary("quoted");
    let set = |text: &str| {
        let words = ["cloud", "byok", "set", "--provider", "acme", "--local", "--key-stdin", "--json"];
        place.world.command(words).stdin(format!("{text}\n")).run()
    };
    for quoted in [format!("\"{key}\""), format!("'{key}'"), format!("{key}\"")] {
        let error = set(&quoted).with_code(1).error();
        assert!(error["message"].as_str().is_some_and(|text| text.contains("quotation marks")), "{error}");
    }
    set(&format!("  {key}\t")).expect_code(0);
    place.chat(&place.owner.access_token).send().ok();
    assert_eq!(place.seen(), key);
    // Of a short key nothing is shown.
    let told = set("sk-ab").with_code(0).json();
    assert_eq!(told["key_prefix"], "", "{told}");
    assert_eq!(place.stored()["key_prefix"], "");
    place.daemon.stop();
}

#[test]
fn what_a_server_says_beside_its_error_stands_in_the_json() {
    let place = Place::new("", None);
    let sealed = place.sealed("acme", "sk-of-the-owner");
    let ciphertext = sealed["ciphertext_b64"].as_str().expect("text");
    let words = ["cloud", "byok", "set", "--provider", "acme", "--local", "--json", "--ciphertext-b64", ciphertext];
    let stale = ["--kek-id", "kek_0000000000000000", "--key-prefix", "sk-"];
    let error = place.world.cli(words.into_iter().chain(stale)).with_code(1).error();
    assert_eq!((&error["current_kek_id"], &error["field"]), (&sealed["kek_id"], &json!("kek_id")), "{error}");
    for bad in [
        "https://user:pass@host.example/v1",
        "https://host.example/v1#x",
        "https://host.example/v1?x=1",
        "https://host.example:0/v1",
        "https://host.example:99999/v1",
        "https://host.example./v1",
        "https://2130706433/v1",
        "https://0x7f.1/v1",
        "https://127.1/v1",
        "https://[::ffff:127.0.0.1]/v1",
        "ftp://host.example/v1",
        "host.example",
    ] {
        let words =
            ["cloud", "byok", "set", "--provider", "acme", "--local", "--key-stdin", "--json", "--api-base", bad];
        let error = place.world.command(words).stdin("sk-of-the-owner\n").run().with_code(1).error();
        let message = error["message"].as_str().unwrap_or_default();
        assert_eq!((&error["status"], &error["field"]), (&json!(400), &json!("api_base")), "{bad}: {error}");
        assert!(
            message.contains("`api_base`") && !message.contains("base_url") && !message.contains("pass@"),
            "{error}"
        );
    }
    place.daemon.stop();
}
