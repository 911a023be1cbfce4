//! Models of a provider whose manifest lists none: it is asked with the key that pays for the calls of whoever asks, and what it
//! says is shown to nobody else.

use bitrouter_tests::{Provider, Reply, provider::Request};

use super::place::Place;

const WITHOUT_MODELS: &str =
    "id = \"acme\"\nkind = \"first_party\"\nprotocol = [\"chat_completions\"]\n[payment]\nmodes = [\"byok\"]\n";

/// Lists a model that is named after the key that asks.
fn named(request: &Request) -> Reply {
    if request.target.contains("/models") {
        Reply::json(200, format!(r#"{{"data":[{{"id":"of-{}"}}]}}"#, request.key().unwrap_or("nobody")))
    } else {
        Reply::json(200, r#"{"id":"c","object":"chat.completion","choices":[]}"#)
    }
}

fn listed(place: &Place, token: &str) -> Vec<String> {
    let list = place.http().get("/v1/models").bearer(token).send().ok().json();
    let ids = list["data"].as_array().expect("models").iter();
    ids.map(|model| model["id"].as_str().expect("an id").to_owned()).filter(|id| id.starts_with("acme")).collect()
}

#[test]
fn p07_a_provider_that_lists_none_is_asked_with_the_payers_key_and_tells_nobody_else() {
    let place = Place::new("[node.byok]\nallow_private = true\n", None);
    let endpoint = format!("endpoint = \"{}\"\n", place.provider.base_url());
    place.world.write("config/bitrouter/registry/acme.toml", format!("{endpoint}{WITHOUT_MODELS}"));
    place.provider.always(named);
    place.daemon.reload();
    let (owner, eve) = (place.owner.access_token.clone(), place.person("eve").access_token);
    assert!(listed(&place, &owner).is_empty() && listed(&place, &eve).is_empty());
    place.set("sk-owner", &[]);
    assert_eq!(listed(&place, &owner), ["acme/of-sk-owner"]);
    assert!(listed(&place, &eve).is_empty(), "what one key was told is nobody else's");
    place.set_as(&eve, "sk-eve-herself");
    assert_eq!(listed(&place, &eve), ["acme/of-sk-eve-herself"]);
    // It is kept for a while, for each.
    let asked = place.provider.count();
    assert_eq!((listed(&place, &owner), listed(&place, &eve)).0, ["acme/of-sk-owner"]);
    assert_eq!(place.provider.count(), asked);
    // Where a key is sent elsewhere, it is asked there; another key has another list.
    let elsewhere = Provider::start();
    elsewhere.always(named);
    place.set("sk-moved", &["--api-base", &elsewhere.base_url()]);
    assert_eq!(listed(&place, &owner), ["acme/of-sk-moved"]);
    assert_eq!((elsewhere.count(), place.provider.count()), (1, asked));
    elsewhere.next(Reply::json(401, r#"{"error":{"message":"no"}}"#));
    place.set("sk-refused", &["--api-base", &elsewhere.base_url()]);
    assert!(listed(&place, &owner).is_empty());
    assert_eq!(place.stored()["last_failure_kind"], "rejected");
    place.world.cli(["cloud", "byok", "delete", "acme", "--local"]).expect_code(0);
    assert!(listed(&place, &owner).is_empty());
    assert_eq!(listed(&place, &eve), ["acme/of-sk-eve-herself"]);
    place.daemon.stop();
}
