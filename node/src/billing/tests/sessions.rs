//! Making sessions of checkout: once each, whatever is lost.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;

use super::world::{Answer, KEY, World, session};
use crate::Settings;

#[tokio::test]
async fn a_session_is_asked_for_as_stripe_wants_it_and_signed() {
    let world = World::new().await;
    world.script([Answer::Says(200, session("cs_1"))]);
    let (status, made, is_replay) = world.buy("2000", None).await;
    assert_eq!((status, is_replay), (200, false));
    assert_eq!(made, json!({"id": "cs_1", "url": "https://pay.example/cs_1"}));
    let asked = world.asked().remove(0);
    assert_eq!(asked.line, "POST https://stripe.example/v1/checkout/sessions");
    assert_eq!((asked.key, asked.version.as_str()), (format!("Bearer {KEY}"), "2025-03-31.basil"));
    assert_eq!(asked.idempotency_key.len(), 26);
    let person = world.node.owner();
    for part in [
        "mode=payment&",
        "success_url=http%3A%2F%2F127.0.0.1%3A4356%2Fconsole%3Fcheckout%3Dpaid&",
        "cancel_url=http%3A%2F%2F127.0.0.1%3A4356%2Fconsole%3Fcheckout%3Dcancelled&",
        "line_items%5B0%5D%5Bprice_data%5D%5Bunit_amount%5D=2000&",
        "line_items%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=usd&",
        &format!("metadata%5Bbitrouter_person%5D={person}&"),
        &format!("payment_intent_data%5Bmetadata%5D%5Bbitrouter_person%5D={person}&"),
        &format!("metadata%5Bbitrouter_node%5D={}&", world.node.id()),
        "metadata%5Bbitrouter_signature%5D=",
    ] {
        assert!(asked.body.contains(part), "{part}: {}", asked.body);
    }
    assert_eq!(world.balance().await, 0, "nothing was paid");
    world.node.close().await;
}

#[tokio::test]
async fn amounts_have_their_bounds_and_a_node_without_stripe_sells_nothing() {
    let world = World::new().await;
    for amount in ["49", "100000001", "-50", "9223372036854775807", "50.0", "\"50\"", "null"] {
        let (status, refused, _) = world.buy(amount, None).await;
        assert_eq!(
            (status, &refused["error"], &refused["field"]),
            (400, &json!("bad_request"), &json!("amount_cents")),
            "{amount}"
        );
    }
    for amount in ["50", "100000000"] {
        world.script([Answer::Says(200, session(&format!("cs_{amount}")))]);
        assert_eq!(world.buy(amount, None).await.0, 200, "{amount}");
    }
    world.settings.store(Arc::new(Settings::default()));
    let (status, refused, _) = world.buy("2000", None).await;
    assert_eq!((status, &refused["error"]), (409, &json!("conflict")));
    let words = refused["error_description"].as_str().unwrap();
    assert!(words.contains(&format!("`bitrouter node credit grant {} 20.00`", world.node.owner())), "{words}");
    assert_eq!(world.event("checkout.session.completed", json!({})).await.0, 404);
    world.node.close().await;
}

#[tokio::test]
async fn n49_one_key_is_one_session_though_the_reply_was_lost() {
    let world = World::new().await;
    world.script([Answer::Lost, Answer::Says(409, json!({"error": {"code": "idempotency_key_in_use"}}))]);
    for _ in 0..2 {
        let (status, refused, _) = world.buy("2000", Some("k")).await;
        assert_eq!((status, &refused["error"]), (503, &json!("unavailable")), "{refused}");
    }
    world.script([Answer::Says(200, session("cs_1"))]);
    let (status, made, is_replay) = world.buy("2000", Some("k")).await;
    assert_eq!((status, is_replay), (200, true));
    assert_eq!(world.buy("2000", Some("k")).await, (200, made, true));
    assert_eq!(world.buy("3000", Some("k")).await.0, 409, "another body");
    let asked = world.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.idempotency_key == asked[0].idempotency_key && one.body == asked[0].body));
    // Another key is another purchase.
    world.bought("cs_2", 2000).await;
    assert_ne!(world.asked()[3].idempotency_key, asked[0].idempotency_key);
    world.node.close().await;
}

#[tokio::test]
async fn n49_what_stripe_would_say_for_ever_is_not_asked_under_the_same_key() {
    let world = World::new().await;
    for answer in [
        Answer::Says(500, json!({})),
        Answer::Says(400, json!({"error": {"type": "invalid_request_error", "code": "amount_too_small"}})),
        Answer::Says(401, json!({"error": {"message": format!("Invalid API Key provided: {KEY}")}})),
        Answer::Says(200, json!({"id": "cs_1"})),
        Answer::Says(302, json!({})),
        Answer::Unreachable,
    ] {
        world.script([answer]);
        let (status, refused, _) = world.buy("2000", Some("k")).await;
        assert_eq!((status, &refused["error"]), (503, &json!("unavailable")), "{refused}");
        assert!(!refused.to_string().contains("canary"), "{refused}");
    }
    world.script([Answer::Says(200, session("cs_1"))]);
    assert!(!world.buy("2000", Some("k")).await.2, "only what succeeded is kept");
    let mut keys: Vec<_> = world.asked().into_iter().map(|one| one.idempotency_key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 7);
    world.node.close().await;
}

#[tokio::test]
async fn of_two_calls_with_one_key_the_second_waits_for_the_first() {
    let world = World::new().await;
    let told = Arc::new(Notify::new());
    world.script([Answer::Once(Arc::clone(&told), session("cs_1"))]);
    let first = world.buy("2000", Some("k"));
    let second = async {
        world.stripe.arrived.notified().await;
        let tell = async {
            tokio::task::yield_now().await;
            told.notify_one();
        };
        tokio::join!(world.buy("2000", Some("k")), tell).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.0, first.2, second.0, second.2), (200, false, 200, true));
    assert_eq!((first.1, world.asked().len()), (second.1, 1));
    world.node.close().await;
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_session_is_asked_for_as_stripe_wants_it_and_signed,
    amounts_have_their_bounds_and_a_node_without_stripe_sells_nothing,
    n49_one_key_is_one_session_though_the_reply_was_lost,
    n49_what_stripe_would_say_for_ever_is_not_asked_under_the_same_key,
    of_two_calls_with_one_key_the_second_waits_for_the_first,
);
