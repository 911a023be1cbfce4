//! What is sealed by others opens here, and what is sealed by us opens elsewhere.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitrouter_proto::account::{byok::EncryptionKey, seal::sealed};
use bitrouter_tests::sdk;
use serde_json::{Value, json};

use super::place::Place;

const KEYS: &str = "/v1/byok/keys";

#[test]
fn n46_what_others_seal_pays_for_calls() {
    let place = Place::new("", None);
    let base = place.daemon.base_url();
    let base = base.trim_end_matches('/').trim_end_matches("/v1").to_owned();
    for name in ["nacl", "sodium"] {
        let key = place.world.canary(name);
        let run = match name {
            "nacl" => sdk::script(&place.world, "seal_nacl.py", &[&base, "acme"]),
            _ => sdk::node_script(&place.world, "seal_sodium.mjs", &[&base, "acme"]),
        };
        let printed = run.env("CANARY_KEY", &key).run().with_code(0).stdout;
        let submission: Value = serde_json::from_str(&printed).expect("a submission");
        let told = place.api(&place.owner.access_token, "POST", KEYS, Some(&submission)).ok().json();
        assert_eq!((&told["kek_id"], &told["key_prefix"]), (&submission["kek_id"], &json!("sk-")), "{told}");
        place.chat(&place.owner.access_token).send().ok();
        assert_eq!(place.seen(), key, "{name}");
    }
    place.daemon.stop();
}

#[test]
fn n46_what_we_seal_opens_elsewhere() {
    let world = bitrouter_tests::World::new();
    let key = world.canary("sealed");
    // The opener makes its pair from a seed, so that it can be asked twice.
    let seed = STANDARD.encode([7_u8; 32]);
    let public = sdk::script(&world, "open_nacl.py", &[&seed]).run().with_code(0).stdout;
    let against = EncryptionKey { kek_id: "kek_1".to_owned(), public_key: public.trim().to_owned() };
    for text in [key.as_str(), "x", &"y".repeat(4096)] {
        let new = sealed(&against, "openai", &text.to_owned().into(), None).expect("a sealed key");
        let opened = sdk::script(&world, "open_nacl.py", &[&seed, &new.ciphertext_b64]).run().with_code(0).stdout;
        let expected = format!("{:x}", md(text));
        assert_eq!(opened.trim(), expected);
    }
}

/// A sum of a text that says whether it is the same one, without being it: the world watches what is printed.
fn md(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn n45_a_captured_box_is_good_for_its_owner_alone() {
    let place = Place::new("", None);
    let eve = place.person("eve");
    let (owner, key) = (&place.owner.access_token, place.world.canary("captured"));
    let captured = place.sealed("acme", &key);
    place.api(owner, "POST", KEYS, Some(&captured)).ok();
    let refused = |token: &str, body: &Value| {
        let answer = place.api(token, "POST", KEYS, Some(body));
        assert_eq!((answer.status, &answer.json()["error"]), (409, &json!("conflict")), "{}", answer.text());
    };
    let mut as_openai = captured.clone();
    as_openai["provider_name"] = json!("openai");
    refused(&eve.access_token, &captured);
    refused(owner, &as_openai);
    place.api(owner, "DELETE", "/v1/byok/keys/acme", None).ok();
    refused(&eve.access_token, &captured);
    refused(owner, &as_openai);
    let mut stale = captured.clone();
    let rotated = place.world.cli(["node", "byok", "rotate", "--json"]).with_code(0).json();
    stale["ciphertext_b64"] = place.sealed("acme", "another")["ciphertext_b64"].clone();
    let answer = place.api(owner, "POST", KEYS, Some(&stale));
    assert_eq!((answer.status, &answer.json()["current_kek_id"]), (409, &rotated["kek_id"]), "{}", answer.text());
    place.daemon.stop();
}
