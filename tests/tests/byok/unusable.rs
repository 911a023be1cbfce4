//! A stored key that pays for nothing any more: everybody who asks is told so, and nobody pays in its place.

use bitrouter_tests::wait;
use serde_json::json;

use super::place::{Place, manifest};

#[test]
fn p14_a_provider_that_takes_no_keys_any_more_is_not_paid_with_one() {
    let place = Place::new("", Some("sk-of-the-node"));
    let (owner, key) = (place.owner.access_token.clone(), place.world.canary("lost"));
    place.set(&key, &[]);
    place.chat(&owner).send().ok();
    assert!(place.stored().get("unusable").is_none());
    let before = place.provider.count();
    let write = |payment: &str| {
        place.world.write("config/bitrouter/registry/acme.toml", manifest("acme", &place.provider, payment));
        place.daemon.reload();
    };
    write("modes = []");
    let refused = place.chat(&owner).send().refused(402, "provider_key_missing");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("takes no keys")), "{refused}");
    let explained = place.world.cli(["explain", "acme:m", "--json"]).with_code(0).json();
    assert_eq!(
        (&explained["verdict"], &explained["route"][0]["key_source"]),
        (&json!("provider_key_missing"), &json!("byok")),
        "{explained}"
    );
    assert_eq!(place.stored()["unusable"], "not_taken");
    let shown = place.daemon.provider("acme");
    assert_eq!((&shown["active"], &shown["key_source"]), (&json!(false), &json!("byok")), "{shown}");
    let text = place.world.cli(["cloud", "byok", "list", "--local"]).with_code(0).stdout;
    assert!(text.contains("not_taken"), "{text}");
    assert_eq!(place.provider.count(), before, "nobody else pays");
    write("modes = [\"byok\"]");
    place.chat(&owner).send().ok();
    assert_eq!(place.seen(), key);
    let explained = place.world.cli(["explain", "acme:m", "--json"]).with_code(0).json();
    assert_eq!(explained["verdict"], "allow", "{explained}");
    place.daemon.stop();
}

#[test]
fn an_address_that_may_not_be_called_is_explained_before_it_is() {
    let place = Place::new("[node.byok]\nallow_private = true\n", Some("sk-of-the-node"));
    place.set("sk-of-the-owner", &["--api-base", &place.provider.base_url()]);
    let verdict = || place.world.cli(["explain", "acme:m", "--json"]).with_code(0).json();
    assert_eq!(verdict()["verdict"], "allow");
    place.world.config("[node.byok]\nallow_private = false\n");
    place.daemon.reload();
    let explained = verdict();
    assert_eq!(explained["verdict"], "provider_key_missing", "{explained}");
    // Whoever only asks has tried nothing.
    assert!(place.stored()["last_failure_at"].is_null());
    place.daemon.stop();
}

#[test]
fn p04_a_stored_key_comes_before_the_nodes_in_what_is_shown_and_quiets_the_warning_that_there_is_none() {
    let place = Place::new("", Some("sk-of-the-node"));
    assert_eq!(place.daemon.provider("acme")["key_source"], "env_file");
    place.set("sk-of-the-owner", &[]);
    let shown = place.daemon.provider("acme");
    assert_eq!((&shown["key_source"], &shown["active"]), (&json!("byok"), &json!(true)), "{shown}");
    let explained = place.world.cli(["explain", "acme:m", "--json"]).with_code(0).json();
    assert_eq!(explained["route"][0]["key_source"], "byok", "{explained}");
    place.world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    assert_eq!(place.daemon.provider("acme")["key_source"], "env_file");
    place.daemon.stop();

    let mut place = Place::new("", None);
    place.restarted_with(&["--log-format", "json"]);
    wait::until("the warning", || place.daemon.warning("no_provider_key"));
    place.set("sk-of-the-owner", &[]);
    wait::holds("no warning", || place.daemon.warning("no_provider_key").is_none());
    place.restarted_with(&["--log-format", "json"]);
    wait::holds("no warning after a start", || place.daemon.warning("no_provider_key").is_none());
    place.daemon.reload();
    assert_eq!(place.daemon.warning("no_provider_key"), None);
    place.world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    wait::until("the warning again", || place.daemon.warning("no_provider_key"));
    place.daemon.stop();
}
