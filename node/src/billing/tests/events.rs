//! What events change, in every order and however often they come.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{Answer, HOOK, World, paid, refund};
use crate::{billing::signature::signed, clock::Clock as _};

const COMPLETED: &str = "checkout.session.completed";
/// Micro-USD of a cent.
const CENT: i64 = 10_000;

#[tokio::test]
async fn n48_a_session_is_credited_once_when_it_is_paid_and_with_what_we_sold() {
    let world = World::new().await;
    world.bought("cs_1", 2000).await;
    for (kind, status, balance) in [
        (COMPLETED, "unpaid", 0),
        ("checkout.session.async_payment_failed", "paid", 0),
        ("checkout.session.async_payment_succeeded", "paid", 2000),
        (COMPLETED, "paid", 2000),
        ("checkout.session.async_payment_succeeded", "paid", 2000),
    ] {
        assert_eq!(world.event(kind, paid("cs_1", status)).await, (200, json!({"received": true})));
        assert_eq!(world.balance().await, balance * CENT, "{kind} {status}");
    }
    // Sessions of somebody else, and events of something else.
    assert_eq!(world.event(COMPLETED, paid("cs_foreign", "paid")).await.0, 200);
    assert_eq!(world.event("customer.created", json!({"id": "cus_1"})).await.0, 200);
    assert_eq!(world.transactions().await, [("checkout".to_owned(), 2000 * CENT)]);
    world.node.close().await;
}

#[tokio::test]
async fn n48_a_paid_session_that_the_database_forgot_is_known_by_its_signature() {
    let world = World::new().await;
    let mut object = paid("cs_lost", "paid");
    object["metadata"] = world.signed_metadata(700);
    for _ in 0..2 {
        assert_eq!(world.event(COMPLETED, object.clone()).await.0, 200);
        assert_eq!(world.balance().await, 700 * CENT);
    }
    // The call that makes the session is still running when its event comes.
    world.script([Answer::Lost]);
    world.buy("500", None).await;
    let body = world.asked()[0].body.clone();
    let value = |name: &str| {
        let pair = body.split('&').find(|pair| pair.starts_with(&format!("metadata%5B{name}%5D="))).unwrap();
        pair.split_once('=').unwrap().1.to_owned()
    };
    let names = [
        "bitrouter_node",
        "bitrouter_person",
        "bitrouter_checkout",
        "bitrouter_amount_micro_usd",
        "bitrouter_signature",
    ];
    let mut object = paid("cs_early", "paid");
    for name in names {
        object["metadata"][name] = value(name).into();
    }
    world.event(COMPLETED, object.clone()).await;
    assert_eq!(world.balance().await, 1200 * CENT);
    // What is signed is one purchase; a second session of it that was paid was paid too.
    object["id"] = "cs_twin".into();
    world.event(COMPLETED, object.clone()).await;
    assert_eq!(world.balance().await, 1700 * CENT);
    // A changed amount is not ours.
    object["id"] = "cs_forged".into();
    object["metadata"]["bitrouter_amount_micro_usd"] = "900000000".into();
    world.event(COMPLETED, object).await;
    assert_eq!(world.balance().await, 1700 * CENT);
    world.node.close().await;
}

#[tokio::test]
async fn the_mode_must_be_that_of_the_session_and_of_the_key() {
    let world = World::new().await;
    world.bought("cs_1", 2000).await;
    let event =
        |livemode: Value| json!({"type": COMPLETED, "livemode": livemode, "data": {"object": paid("cs_1", "paid")}});
    let mut twofold = event(false.into());
    twofold["data"]["object"]["livemode"] = true.into();
    for other in [event(true.into()), twofold] {
        assert_eq!(world.deliver(&other).await.0, 200);
        assert_eq!(world.balance().await, 0);
    }
    assert_eq!(world.deliver(&event(false.into())).await.0, 200);
    assert_eq!(world.balance().await, 2000 * CENT);
    world.node.close().await;
}

#[tokio::test]
async fn refunds_and_disputes_take_once_never_more_than_was_given_and_come_back_once() {
    let world = World::new().await;
    world.bought("cs_1", 2000).await;
    world.event(COMPLETED, paid("cs_1", "paid")).await;
    let dispute =
        |status: &str| json!({"id": "du_1", "amount": 2000, "payment_intent": "pi_of_cs_1", "status": status});
    let steps = [
        ("refund.created", refund("re_1", "cs_1", 500, "succeeded"), 1500),
        ("refund.updated", refund("re_1", "cs_1", 500, "succeeded"), 1500),
        (
            "charge.refunded",
            json!({"payment_intent": "pi_of_cs_1", "refunds": {"data": [refund("re_2", "cs_1", 300, "succeeded"), refund("re_1", "cs_1", 500, "succeeded")]}}),
            1200,
        ),
        ("charge.dispute.created", dispute("needs_response"), 0),
        ("charge.dispute.funds_withdrawn", dispute("under_review"), 0),
        ("refund.failed", refund("re_2", "cs_1", 300, "failed"), 0),
        ("charge.dispute.closed", dispute("won"), 1500),
        ("charge.dispute.funds_reinstated", dispute("won"), 1500),
        ("charge.dispute.updated", dispute("under_review"), 1500),
        ("refund.created", refund("re_3", "cs_1", 9_999, "pending"), 0),
        ("refund.updated", refund("re_3", "cs_1", 9_999, "canceled"), 1500),
        ("refund.created", refund("re_4", "cs_foreign", 100, "succeeded"), 1500),
    ];
    for (kind, object, balance) in steps {
        assert_eq!(world.event(kind, object.clone()).await.0, 200);
        assert_eq!(world.balance().await, balance * CENT, "{kind} {object}");
    }
    // What was spent in the meantime is owed.
    world.node.grant_credit("ada", bitrouter_proto::account::MicroUsd::new(1)).await.unwrap();
    let kinds: Vec<_> = world.transactions().await.into_iter().map(|row| row.0).collect();
    assert_eq!(kinds, ["checkout", "refund", "refund", "dispute", "dispute_won", "refund", "refund_failed", "grant"]);
    world.node.close().await;
}

#[tokio::test]
async fn a_charge_that_lists_no_refunds_is_asked_for_them() {
    let world = World::new().await;
    world.bought("cs_1", 2000).await;
    world.event(COMPLETED, paid("cs_1", "paid")).await;
    let charge = json!({"id": "ch_1", "payment_intent": "pi_of_cs_1", "amount_refunded": 800});
    world.script([
        Answer::Unreachable,
        Answer::Says(200, json!({"data": [refund("re_1", "cs_1", 500, "succeeded"), {"id": "re_2", "amount": 300}]})),
    ]);
    assert_eq!(world.event("charge.refunded", charge.clone()).await.0, 500, "Stripe sends it again");
    assert_eq!(world.event("charge.refunded", charge).await.0, 200);
    assert_eq!(world.balance().await, 1200 * CENT);
    let asked = world.asked().pop().unwrap();
    assert_eq!(asked.line, "GET https://stripe.example/v1/refunds?payment_intent=pi_of_cs_1&limit=100");
    // Somebody else's is not asked for.
    assert_eq!(world.event("charge.refunded", json!({"id": "ch_2", "payment_intent": "pi_2"})).await.0, 200);
    world.node.close().await;
}

#[tokio::test]
async fn an_event_without_a_good_signature_changes_nothing() {
    let world = World::new().await;
    world.bought("cs_1", 2000).await;
    let body = Bytes::from(
        json!({"type": COMPLETED, "livemode": false, "data": {"object": paid("cs_1", "paid")}}).to_string(),
    );
    let now = world.clock.wall();
    let old = signed(&body, HOOK, now.before(Duration::from_secs(301)));
    for signature in [None, Some("t=1,v1=00"), Some(old.as_str()), Some(&signed(&body, "whsec_other", now))] {
        let (status, refused) = world.post_event(body.clone(), signature).await;
        assert_eq!((status, &refused["error"]), (400, &json!("bad_request")), "{signature:?}");
    }
    let large = Bytes::from(vec![b' '; 64 * 1024 + 1]);
    assert_eq!(world.post_event(large.clone(), Some(&signed(&large, HOOK, now))).await.0, 413);
    let nonsense = Bytes::from_static(b"nonsense");
    assert_eq!(world.post_event(nonsense.clone(), Some(&signed(&nonsense, HOOK, now))).await.0, 400);
    assert_eq!(world.balance().await, 0);
    assert_eq!(world.post_event(body.clone(), Some(&signed(&body, HOOK, now))).await.0, 200);
    assert_eq!(world.balance().await, 2000 * CENT);
    world.node.close().await;
}

/// Something that Stripe says of one of two sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Unpaid(usize),
    Paid(usize),
    /// One of three refunds, of these amounts; true where it failed.
    Refund(usize, usize, bool),
    /// The dispute; true where it was won.
    Dispute(usize, bool),
}

const SOLD: [i64; 2] = [2000, 700];
const REFUNDS: [i64; 3] = [300, 450, 1600];

/// What the credit comes to, in cents.
fn reference(said: &[Said]) -> i64 {
    let of = |session: usize| {
        let holds = |took: Said, over: Said| said.contains(&took) && !said.contains(&over);
        let refunds =
            (0..REFUNDS.len()).filter(|n| holds(Said::Refund(session, *n, false), Said::Refund(session, *n, true)));
        let disputed = holds(Said::Dispute(session, false), Said::Dispute(session, true));
        let taken = refunds.map(|n| REFUNDS[n]).sum::<i64>() + if disputed { SOLD[session] } else { 0 };
        if said.contains(&Said::Paid(session)) { SOLD[session] - taken.min(SOLD[session]) } else { 0 }
    };
    of(0) + of(1)
}

async fn told(world: &World, said: Said, lost: &Value) {
    let name = |session: usize| if session == 0 { "cs_0" } else { "cs_1" };
    let (kind, object) = match said {
        Said::Unpaid(session) => (COMPLETED, paid(name(session), "unpaid")),
        Said::Paid(session) => (COMPLETED, paid(name(session), "paid")),
        Said::Refund(session, n, failed) => {
            let status = if failed { "failed" } else { "succeeded" };
            ("refund.updated", refund(&format!("re_{session}_{n}"), name(session), REFUNDS[n], status))
        }
        Said::Dispute(session, won) => {
            let status = if won { "won" } else { "needs_response" };
            let object = json!({"id": format!("du_{session}"), "amount": SOLD[session],
                "payment_intent": format!("pi_of_{}", name(session)), "status": status});
            ("charge.dispute.updated", object)
        }
    };
    let mut object = object;
    if object["id"] == "cs_1" {
        object["metadata"] = lost.clone();
    }
    assert_eq!(world.event(kind, object).await.0, 200);
}

fn anything() -> impl Strategy<Value = Said> {
    prop_oneof![
        (0..2_usize).prop_map(Said::Unpaid),
        (0..2_usize).prop_map(Said::Paid),
        (0..2_usize, 0..3_usize, any::<bool>()).prop_map(|(session, n, failed)| Said::Refund(session, n, failed)),
        (0..2_usize, any::<bool>()).prop_map(|(session, won)| Said::Dispute(session, won)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn n48_the_sum_depends_on_what_was_said_and_on_no_order(said in proptest::collection::vec(anything(), 0..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            world.bought("cs_0", SOLD[0]).await;
            // The database knows nothing of the other one.
            let lost = world.signed_metadata(SOLD[1]);
            for (at, one) in said.iter().enumerate() {
                told(&world, *one, &lost).await;
                assert_eq!(world.balance().await, reference(&said[..=at]) * CENT, "after {one:?}");
            }
            world.node.close().await;
        });
    }
}

bitrouter_test_postgres::once_more_on_postgres!(
    n48_a_session_is_credited_once_when_it_is_paid_and_with_what_we_sold,
    n48_a_paid_session_that_the_database_forgot_is_known_by_its_signature,
    the_mode_must_be_that_of_the_session_and_of_the_key,
    refunds_and_disputes_take_once_never_more_than_was_given_and_come_back_once,
    a_charge_that_lists_no_refunds_is_asked_for_them,
    an_event_without_a_good_signature_changes_nothing,
);
