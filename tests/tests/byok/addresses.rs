//! Where a key is sent: to its provider, or to the address that its owner says, which is public.

use bitrouter_tests::{Provider, Reply};
use serde_json::json;

use super::place::Place;

#[test]
fn n45_a_key_is_sent_to_its_own_address_and_follows_nobody_elsewhere() {
    let place = Place::new("[node.byok]\nallow_private = true\n", Some("sk-of-the-node"));
    let (owner, key) = (place.owner.access_token.clone(), place.world.canary("moved"));
    let elsewhere = Provider::start();
    place.set(&key, &["--api-base", &elsewhere.base_url()]);
    assert_eq!(place.stored()["api_base"], elsewhere.base_url());
    elsewhere.always(|_| Reply::json(200, r#"{"id":"c","object":"chat.completion","choices":[]}"#));
    place.chat(&owner).send().ok();
    assert_eq!(elsewhere.last().request.key(), Some(key.as_str()));
    assert_eq!(place.provider.count(), 0);
    elsewhere.next(Reply::redirect(&format!("{}/chat/completions", place.provider.base_url())));
    let answer = place.chat(&owner).send();
    assert_eq!((answer.status, place.provider.count()), (502, 0), "{}", answer.text());
    // A token moves it nowhere.
    let mut back = place.sealed("acme", &key);
    let answer = place.api(&owner, "POST", "/v1/byok/keys", Some(&back));
    assert_eq!((answer.status, &answer.json()["field"]), (403, &json!("api_base")), "{}", answer.text());
    back["api_base"] = json!("https://other.example/v1");
    let answer = place.api(&owner, "POST", "/v1/byok/keys", Some(&back));
    assert_eq!((answer.status, &answer.json()["error"]), (403, &json!("forbidden")), "{}", answer.text());
    // Once private addresses are no longer allowed, it is sent nowhere: not to its provider, and nobody else pays.
    place.world.config("[node.byok]\nallow_private = false\n");
    place.daemon.reload();
    let refused = place.chat(&owner).send().refused(402, "provider_key_missing");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("not https")), "{refused}");
    assert_eq!((place.provider.count(), elsewhere.count()), (0, 2));
    assert_eq!(place.stored()["last_failure_kind"], "address_refused");
    place.daemon.stop();
}

#[test]
fn n45_a_name_that_leads_to_a_private_network_is_not_called() {
    let place = Place::new("", Some("sk-of-the-node"));
    let (owner, key) = (place.owner.access_token.clone(), place.world.canary("private"));
    for bad in ["http://127.0.0.1:9/v1", "https://127.0.0.1:9/v1", "https://169.254.169.254/v1", "https://localhost/v1"]
    {
        let words =
            ["cloud", "byok", "set", "--provider", "acme", "--local", "--key-stdin", "--json", "--api-base", bad];
        let run = place.world.command(words).stdin(format!("{key}\n")).run().with_code(1);
        assert_eq!(run.error()["field"], "api_base", "{bad}: {}", run.text());
    }
    // A name of this machine's hosts file is looked at when it is called.
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned();
    if host.is_empty() {
        return;
    }
    place.set(&key, &["--api-base", &format!("https://{host}:9/v1")]);
    let answer = place.chat(&owner).send();
    assert_eq!((answer.status, place.provider.count()), (502, 0), "{}", answer.text());
    assert_eq!(place.stored()["last_failure_kind"], "address_refused", "{}", answer.text());
    place.daemon.stop();
}
