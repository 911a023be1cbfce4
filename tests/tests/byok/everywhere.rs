//! P3: a stored key stands nowhere in clear, whatever is done with it. The world looks through its files and what was printed too.

use bitrouter_tests::{Reply, canary, http::Call};

use super::place::Place;

#[test]
fn p03_a_stored_key_stands_nowhere_in_clear() {
    let place = Place::new("[log]\nlevel = \"trace\"\n[node.byok]\nallow_private = true\n", None);
    let (world, owner) = (&place.world, place.owner.access_token.clone());
    let keys: Vec<String> = ["first", "second", "third"].into_iter().map(|name| world.canary(name)).collect();
    let echo = |key: &str| Reply::json(401, format!(r#"{{"error":{{"message":"not {key}"}}}}"#));
    for key in &keys {
        place.set(key, &[]);
        place.chat(&owner).send().ok();
        place.provider.next(echo(key));
        let refused = place.chat(&owner).send();
        assert!(canary::find(&keys, "an error", refused.text().as_bytes()).is_empty());
        place.provider.next(Reply::body(500, "text/html", format!("<p>{key}</p>")));
        place.chat(&owner).send();
        place.provider.next(Reply::raw(format!("garbage {key}\r\n\r\n")).close());
        place.chat(&owner).send();
        world.cli(["node", "byok", "rotate"]).expect_code(0);
    }
    // Whoever sends a key in clear is told no more than that it is no sealed one.
    let mut clear = place.sealed("acme", "sk-other");
    clear["ciphertext_b64"] = keys[0].clone().into();
    let told = place.api(&owner, "POST", "/v1/byok/keys", Some(&clear));
    assert!(told.status == 400 && !told.text().contains(&keys[0]), "{}", told.text());
    clear["key_prefix"] = keys[1].clone().into();
    clear["ciphertext_b64"] = place.sealed("acme", "sk-other")["ciphertext_b64"].clone();
    clear["kek_id"] = place.sealed("acme", "sk-other")["kek_id"].clone();
    let told = place.api(&owner, "POST", "/v1/byok/keys", Some(&clear)).ok();
    assert!(!told.text().contains(&keys[1]), "{}", told.text());
    let backup = world.path("home/copy.db");
    world.cli(["node", "backup", &backup.to_string_lossy()]);
    let pages: [Call; 4] = [
        place.http().get("/metrics"),
        place.http().get("/v1/byok/keys").bearer(&owner),
        place.http().get("/v1/models").bearer(&owner),
        place.http().get("/v1/namespaces/me/requests").bearer(&owner),
    ];
    for page in pages {
        let text = page.send().text();
        assert_eq!(canary::find(&keys, "a reply", text.as_bytes()), Vec::<String>::new());
    }
    for words in [
        &["status", "--json"][..],
        &["logs"],
        &["cloud", "byok", "list", "--local", "--json"],
        &["node", "byok", "audit", "--json"],
        &["explain", "acme:m", "--json"],
    ] {
        world.cli(words);
    }
    assert_eq!(canary::find_in_files(&keys, world.root(), &[]), Vec::<String>::new());
    place.daemon.stop();
}
