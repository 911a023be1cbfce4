//! What the ledger's endpoints say, of rows as the journal writes them: shapes, pages, parameters, and who sees what.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bitrouter_gateway::http::{Caller, Principal, ResponseBody};
use bitrouter_proto::{
    account::{CredentialId, GrantId, MicroUsd, NamespaceId, PersonId, RequestRowId, Scope, ScopeSet},
    tasks::Tasks,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use ulid::Ulid;

use crate::{
    Node, NodeOptions, Settings,
    clock::{Clock as _, ManualClock, Moment},
    http::{Entrance, Visitor},
    ledger::record::{Admitted, Kind, Record, Settled, Tokens},
    people::{CreditError, Password, PeopleError, namespaces},
    store::ledger::apply,
};

/// Half past a full hour of some day in 2026.
const START: i64 = 1_790_000_000_000 / 3_600_000 * 3_600_000 + 1_800_000;

struct World {
    _dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    node: Arc<Node>,
    owner: PersonId,
    home: NamespaceId,
    work: NamespaceId,
    eve: PersonId,
    hers: NamespaceId,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Moment::from_millis(START)));
        let options = NodeOptions {
            dir: dir.path().join("node"),
            owner_name: "ada".to_owned(),
            database: None,
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            clock: Arc::clone(&clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        let node = Node::open(options).await.unwrap();
        let (owner, home) = (node.owner(), node.first_namespace());
        let work = namespaces::create(&node, owner, "work").await.unwrap().id;
        let eve =
            node.add_user("eve".parse().unwrap(), Password::new("correct horse".into()).unwrap()).await.unwrap().id;
        let hers = namespaces::create(&node, eve, "hers").await.unwrap().id;
        Self { _dir: dir, clock, node, owner, home, work, eve, hers }
    }

    async fn apply(&self, records: &[Record]) {
        let mut write = self.node.store.write().await.unwrap();
        apply(&mut write, records, "segment", 1, self.clock.wall()).await.unwrap();
        write.commit().await.unwrap();
    }

    fn admitted(&self, number: u64, namespace: NamespaceId, payer: PersonId) -> Admitted {
        Admitted {
            id: row(number).ulid().to_bytes().to_vec(),
            namespace: namespace.ulid().to_bytes().to_vec(),
            payer: payer.ulid().to_bytes().to_vec(),
            credential: "keyless".to_owned(),
            request_id: format!("call-{number}"),
            requested_model: "fast".to_owned(),
            model_id: "model-a".to_owned(),
            provider_id: "acme".to_owned(),
            dialect: "messages".to_owned(),
            streamed: true,
            created_at: self.clock.wall().millis(),
            funding: "cloud_credit".to_owned(),
            reserved: Some(900),
            price: "{}".to_owned(),
            ..Admitted::default()
        }
    }

    /// A call that is open.
    async fn open(&self, number: u64, namespace: NamespaceId, payer: PersonId) {
        self.apply(&[record(Kind::Admitted(self.admitted(number, namespace, payer)))]).await;
    }

    /// A call that was settled.
    async fn call(&self, number: u64, namespace: NamespaceId, payer: PersonId, charge: i64) {
        let admitted = record(Kind::Admitted(self.admitted(number, namespace, payer)));
        self.apply(&[admitted, record(Kind::Settled(self.settled(number, charge)))]).await;
    }

    fn settled(&self, number: u64, charge: i64) -> Settled {
        Settled {
            id: row(number).ulid().to_bytes().to_vec(),
            status: "succeeded".to_owned(),
            usage: Some(Tokens { uncached: 7, cache_read: 3, visible: 5, reasoning: 1, ..Tokens::default() }),
            origin: "provider".to_owned(),
            cost: Some(charge),
            charge,
            flags: vec!["above_bound".to_owned()],
            first_byte_ms: Some(12),
            completed_at: self.clock.wall().millis(),
            ..Settled::default()
        }
    }

    async fn ask(&self, namespace: NamespaceId, person: PersonId, scopes: ScopeSet, path: &str) -> (u16, Value) {
        let credential = CredentialId::Grant(GrantId::new(Ulid::nil()));
        let caller = Caller::Credential(Principal { credential, namespace, person, scopes });
        let visitor = Visitor {
            uid: None,
            is_own_user: false,
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            entrance: Entrance::Public,
        };
        let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
        read(Arc::clone(&self.node).answer_whole(request, caller, visitor).await).await
    }

    /// Asks with a token of the owner's first namespace.
    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(self.home, self.owner, ScopeSet::DEFAULT, path).await
    }

    async fn ok(&self, path: &str) -> Value {
        let (status, document) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {document}");
        document
    }

    /// Asks as the owner in person.
    async fn own(&self, path: &str) -> (u16, Value) {
        read(Arc::clone(&self.node).answer_owner(Request::get(path).body(Bytes::new()).unwrap()).await).await
    }
}

async fn read(response: Response<ResponseBody>) -> (u16, Value) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap())
}

fn row(number: u64) -> RequestRowId {
    RequestRowId::new(Ulid::from_parts(START.unsigned_abs(), u128::from(number)))
}

fn record(kind: Kind) -> Record {
    Record { kind: Some(kind) }
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_row_is_shown_whole() {
    let world = World::new().await;
    world.call(1, world.home, world.owner, 40).await;
    let shown = world.ok(&format!("/v1/namespaces/me/requests/{}", row(1))).await;
    let price = shown["price_version"].as_str().unwrap();
    assert!(price.starts_with("prc_"), "{price}");
    let at = Moment::from_millis(START).to_string();
    assert_eq!(
        shown,
        json!({
            "id": row(1), "request_id": "call-1", "status": "succeeded", "model_id": "model-a", "provider_id": "acme",
            "requested_model": "fast", "prompt_tokens": 10, "completion_tokens": 6,
            "usage": {
                "uncached_input_tokens": 7, "cache_read_tokens": 3, "cache_write_tokens": 0, "cache_write_1h_tokens": 0,
                "audio_input_tokens": 0, "image_input_tokens": 0, "video_input_tokens": 0, "output_tokens": 5,
                "reasoning_tokens": 1, "audio_output_tokens": 0, "image_output_tokens": 0,
            },
            "usage_origin": "provider", "price_version": price, "reserved_micro_usd": 900, "cost_micro_usd": 40,
            "final_charge_micro_usd": 40, "funding_source": "cloud_credit", "streamed": true, "credential_id": "keyless",
            "error_code": null, "flags": ["above_bound"], "created_at": at, "first_byte_ms": 12, "completed_at": at,
            "seq": shown["seq"],
        })
    );
    assert!(shown["seq"].as_i64().unwrap() > 0);
    for same in ["call-1".to_owned(), row(1).to_string().to_uppercase()] {
        assert_eq!(world.ok(&format!("/v1/namespaces/me/requests/{same}")).await, shown);
    }
    let page = world.ok("/v1/namespaces/me/requests").await;
    assert_eq!(page, json!({"data": [shown], "limit": 25, "offset": 0, "next_cursor": null}));
    world.node.close().await;
}

#[tokio::test]
async fn the_usage_of_days_is_that_of_calls_that_succeeded() {
    let world = World::new().await;
    let hour = std::time::Duration::from_hours(1);
    world.call(1, world.home, world.owner, 40).await;
    world.clock.advance(24 * hour);
    world.call(2, world.home, world.owner, 1_500_000).await;
    world.open(3, world.home, world.owner).await;
    world.call(4, world.work, world.owner, 7).await;
    for (number, status) in [(5, "failed"), (6, "cancelled"), (7, "cut"), (8, "interrupted")] {
        let settled = Settled { status: status.to_owned(), ..world.settled(number, 9) };
        let admitted = record(Kind::Admitted(world.admitted(number, world.home, world.owner)));
        world.apply(&[admitted, record(Kind::Settled(settled))]).await;
    }
    let told = |days: i64, calls: i64, cost: &str| {
        json!({
            "range_days": days, "total_requests": calls, "total_tokens_in": 10 * calls, "total_tokens_out": 6 * calls,
            "total_cost_usd": cost,
        })
    };
    assert_eq!(world.ok("/api/v1/me/usage").await, told(30, 2, "1.50004"));
    assert_eq!(world.ok("/api/v1/me/usage?days=365").await, told(365, 2, "1.50004"));
    // The oldest was admitted a day and a moment ago.
    assert_eq!(world.ok("/api/v1/me/usage?days=1").await, told(1, 1, "1.50"));
    world.clock.advance(720 * hour);
    assert_eq!(world.ok("/api/v1/me/usage").await, told(30, 0, "0.00"));
    let other = world.ask(world.hers, world.eve, ScopeSet::DEFAULT, "/api/v1/me/usage").await;
    assert_eq!(other, (200, told(30, 0, "0.00")));
    world.node.close().await;
}

#[tokio::test]
async fn a_window_has_every_call_until_now_where_nobody_says_its_end() {
    let world = World::new().await;
    world.call(1, world.home, world.owner, 40).await;
    world.open(2, world.home, world.owner).await;
    let usage = world.ok("/v1/namespaces/me/usage").await;
    let to = Moment::from_millis(START + 1);
    assert_eq!(
        usage,
        json!({
            "from": to.before(std::time::Duration::from_hours(720)).to_string(), "to": to.to_string(),
            "spend_micro_usd": 40, "charged_micro_usd": 40, "prompt_tokens": 10, "completion_tokens": 6, "request_count": 2,
        })
    );
    let at = Moment::from_millis(START);
    let count =
        async |query: String| world.ok(&format!("/v1/namespaces/me/usage?{query}")).await["request_count"].clone();
    // The beginning is in it, the end is not.
    assert_eq!(count(format!("from={at}")).await, 2);
    assert_eq!(count(format!("to={at}")).await, 0);
    assert_eq!(count(format!("from={at}&to={to}")).await, 2);
    let (status, own) = world.own("/v1/node/usage").await;
    assert_eq!((status, &own["data"][0]["namespace_id"]), (200, &json!(world.home)));
    let mut row = usage.as_object().unwrap().clone();
    row.retain(|name, _| name != "from" && name != "to");
    row.insert("namespace_id".to_owned(), json!(world.home));
    assert_eq!(own, json!({"from": usage["from"], "to": usage["to"], "data": [row]}));
    world.node.close().await;
}

#[tokio::test]
async fn n30_lists_are_read_by_page_and_by_what_has_changed() {
    let world = World::new().await;
    for number in 1..=7 {
        world.open(number, world.home, world.owner).await;
    }
    let list = "/v1/namespaces/me/requests";
    let first = world.ok(&format!("{list}?limit=3")).await;
    assert_eq!(ids(&first), [row(7), row(6), row(5)].map(|id| id.to_string()));
    assert_eq!(first["next_cursor"], json!(row(5)));
    world.open(8, world.home, world.owner).await;
    let second = world.ok(&format!("{list}?limit=3&cursor={}", row(5))).await;
    assert_eq!(ids(&second), [row(4), row(3), row(2)].map(|id| id.to_string()));
    let third = world.ok(&format!("{list}?limit=3&cursor={}", second["next_cursor"].as_str().unwrap())).await;
    assert_eq!((ids(&third), &third["next_cursor"]), (vec![row(1).to_string()], &Value::Null));
    let skipped = world.ok(&format!("{list}?limit=2&offset=6")).await;
    assert_eq!((ids(&skipped).len(), &skipped["offset"], &skipped["next_cursor"]), (2, &json!(6), &Value::Null));
    let seq = world.ok(&format!("{list}?limit=1")).await["data"][0]["seq"].as_i64().unwrap();
    world.apply(&[record(Kind::Settled(world.settled(3, 1)))]).await;
    let changed = world.ok(&format!("{list}?after={seq}")).await;
    assert_eq!((ids(&changed), &changed["data"][0]["status"]), (vec![row(3).to_string()], &json!("succeeded")));
    let all = world.ok(&format!("{list}?after=0")).await;
    let seqs: Vec<i64> = all["data"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()).collect();
    assert!(seqs.len() == 8 && seqs.is_sorted(), "{seqs:?}");
    world.node.close().await;
}

#[tokio::test]
async fn every_parameter_is_read_strictly() {
    let world = World::new().await;
    let list = "/v1/namespaces/me/requests";
    let (usage, transactions) = ("/v1/namespaces/me/usage", "/v1/billing/transactions");
    for (path, query, field) in [
        (list, "limit=x", "limit"),
        (list, "limit=", "limit"),
        (list, "limit=1&limit=2", "limit"),
        (list, "offset=-1", "offset"),
        (list, "offset=9223372036854775807", "offset"),
        (list, "cursor=5", "cursor"),
        (list, "cursor=txn_00000000000000000000000001", "cursor"),
        (list, "after=-1", "after"),
        (list, "after=now", "after"),
        (list, "after=1&offset=0", "offset"),
        (list, "after=1&cursor=req_00000000000000000000000001", "cursor"),
        (list, "from=2026-05-01T00:00:00Z", "from"),
        (usage, "from=yesterday", "from"),
        (usage, "to=2026-05-01", "to"),
        (usage, "from=2026-05-01T00:00:00Z&to=2026-05-01T00:00:00Z", "from"),
        (usage, "from=2026-05-02T00:00:00Z&to=2026-05-01T00:00:00Z", "from"),
        (usage, "from=2999-05-02T00:00:00Z", "from"),
        (usage, "limit=1", "limit"),
        (transactions, "after=1", "after"),
        (transactions, "cursor=req_00000000000000000000000001", "cursor"),
        (transactions, "offset=x", "offset"),
        ("/v1/billing/balance", "limit=1", "limit"),
    ] {
        let (status, said) = world.get(&format!("{path}?{query}")).await;
        assert_eq!(
            (status, &said["error"], &said["field"]),
            (400, &json!("bad_request"), &json!(field)),
            "{query}: {said}"
        );
    }
    let (status, said) = world.own("/v1/node/usage?from=x").await;
    assert_eq!((status, &said["field"]), (400, &json!("from")));
    for (query, limit) in [("limit=0", 1), ("limit=-5", 1), ("limit=1000", 100), ("limit=99999999999999999999", 100)] {
        assert_eq!(world.ok(&format!("{list}?{query}&key=bra_x")).await["limit"], limit, "{query}");
    }
    world.node.close().await;
}

#[tokio::test]
async fn p07_nobody_sees_the_calls_of_another() {
    let world = World::new().await;
    world.call(1, world.hers, world.eve, 40).await;
    world.call(2, world.work, world.owner, 40).await;
    world.call(3, world.home, world.owner, 40).await;
    // Before any scope is looked at, and whatever the scopes are.
    for scopes in [ScopeSet::EMPTY, ScopeSet::of(Scope::ALL)] {
        for path in [
            format!("/v1/namespaces/me/requests/{}", row(1)),
            format!("/v1/namespaces/me/requests/{}", row(2)),
            "/v1/namespaces/me/requests/call-1".to_owned(),
            "/v1/namespaces/me/requests/call-2".to_owned(),
            "/v1/namespaces/me/requests/call-99".to_owned(),
            format!("/v1/namespaces/{}/requests/{}", world.hers, row(1)),
            format!("/v1/namespaces/{}/usage", world.hers),
            format!("/v1/namespaces/{}/requests", world.work),
            format!("/v1/requests/{}/settlement", row(1)),
            "/v1/requests/call-2/settlement".to_owned(),
        ] {
            let (status, said) = world.ask(world.home, world.owner, scopes, &path).await;
            assert_eq!((status, &said["error"]), (404, &json!("not_found")), "{path} with `{scopes}`");
        }
    }
    let shown = format!("/v1/namespaces/me/requests/{}", row(3));
    for (path, scope) in [
        (shown.as_str(), "usage:read"),
        ("/v1/requests/call-3/settlement", "usage:read"),
        ("/v1/node/usage", "usage:read"),
        ("/v1/billing/balance", "billing:read"),
    ] {
        let (status, said) = world.ask(world.home, world.owner, ScopeSet::EMPTY, path).await;
        assert_eq!((status, &said["error_description"]), (403, &json!(format!("missing required scope: {scope}"))));
    }
    let (status, _) = world.get("/v1/node/usage").await;
    assert_eq!(status, 403, "a token is no operator");
    let (_, hers) = world.ask(world.hers, world.eve, ScopeSet::DEFAULT, "/v1/namespaces/me/requests").await;
    assert_eq!(ids(&hers), [row(1).to_string()]);
    let (_, usage) = world.ask(world.hers, world.eve, ScopeSet::DEFAULT, "/v1/namespaces/me/usage").await;
    assert_eq!(usage["request_count"], 1);
    let (_, balance) = world.ask(world.hers, world.eve, ScopeSet::DEFAULT, "/v1/billing/balance").await;
    assert_eq!(balance["balance_micro_usd"], -40);
    // The owner in person has all of the own namespaces, and no other.
    assert_eq!(world.own("/v1/requests/call-2/settlement").await.0, 200);
    assert_eq!(world.own("/v1/requests/call-1/settlement").await.0, 404);
    assert_eq!(world.own(&format!("/v1/namespaces/{}/requests/call-2", world.work)).await.0, 200);
    assert_eq!(world.own(&format!("/v1/namespaces/{}/usage", world.hers)).await.0, 404);
    // A namespace that is gone is nobody's, and its calls stand in what the node used.
    namespaces::delete(&world.node, world.owner, "work").await.unwrap();
    assert_eq!(world.own("/v1/requests/call-2/settlement").await.0, 404);
    assert_eq!(world.own(&format!("/v1/namespaces/{}/usage", world.work)).await.0, 404);
    let (_, all) = world.own("/v1/node/usage").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 3, "{all}");
    world.node.close().await;
}

#[tokio::test]
async fn a_settlement_says_whether_a_call_was_charged() {
    let world = World::new().await;
    world.open(1, world.home, world.owner).await;
    world.call(2, world.home, world.owner, 40).await;
    world.call(3, world.home, world.owner, 0).await;
    let unpriced = Settled { cost: None, ..world.settled(4, 0) };
    world
        .apply(&[record(Kind::Admitted(world.admitted(4, world.home, world.owner))), record(Kind::Settled(unpriced))])
        .await;
    for (number, state, charge) in [
        (1, "pending", Value::Null),
        (2, "computed", json!(40)),
        (3, "not_charged", json!(0)),
        (4, "unknown", json!(0)),
    ] {
        let said = world.ok(&format!("/v1/requests/call-{number}/settlement")).await;
        assert_eq!((&said["state"], &said["final_charge_micro_usd"]), (&json!(state), &charge), "{said}");
        assert_eq!((&said["request_id"], &said["model_id"]), (&json!(format!("call-{number}")), &json!("model-a")));
        let tokens = if number == 1 { 0 } else { 7 };
        assert_eq!(said["usage"]["uncached_input_tokens"], tokens);
    }
    world.node.close().await;
}

#[tokio::test]
async fn p16_a_credit_is_what_was_granted_less_what_was_charged() {
    let world = World::new().await;
    let grant = async |who: String, amount: i64| world.node.grant_credit(&who, MicroUsd::new(amount)).await;
    let given = grant("ADA".to_owned(), 5_000_000).await.unwrap();
    assert_eq!((given.person.id, given.balance), (world.owner, MicroUsd::new(5_000_000)));
    assert_eq!(grant(world.eve.to_string(), 7).await.unwrap().person.id, world.eve);
    assert_eq!(grant(world.hers.to_string(), 3).await.unwrap().balance, MicroUsd::new(10));
    world.call(1, world.home, world.owner, 40).await;
    world.call(2, world.work, world.owner, 2).await;
    world.call(3, world.work, world.owner, 3).await;
    world.open(4, world.home, world.owner).await;
    let local = Admitted { funding: "local".to_owned(), ..world.admitted(5, world.home, world.owner) };
    world.apply(&[record(Kind::Admitted(local))]).await;
    assert_eq!(
        world.ok("/v1/billing/balance").await,
        json!({
            "balance_micro_usd": 4_999_955, "pending_debits_micro_usd": 900, "available_micro_usd": 4_999_055,
            "currency": "usd",
        })
    );
    let (_, whole) = world.own("/v1/billing/transactions").await;
    let amounts = |page: &Value| -> Vec<i64> {
        page["data"].as_array().unwrap().iter().map(|row| row["amount_micro_usd"].as_i64().unwrap()).collect()
    };
    assert_eq!(amounts(&whole), [-3, -2, -40, 5_000_000]);
    let at = Moment::from_millis(START).to_string();
    assert_eq!(
        whole["data"][1],
        json!({
            "id": whole["data"][1]["id"], "kind": "debit", "amount_micro_usd": -2, "request_id": row(2),
            "namespace_id": world.work, "created_at": at,
        })
    );
    // What a token of one namespace sees: the others as one sum of the day.
    let seen = world.ok("/v1/billing/transactions").await;
    assert_eq!(amounts(&seen).iter().sum::<i64>(), 4_999_955);
    assert_eq!(amounts(&seen), [-40, 5_000_000, -5]);
    assert_eq!((&seen["data"][2]["namespace_id"], &seen["data"][2]["request_id"]), (&Value::Null, &Value::Null));
    let first = world.ok("/v1/billing/transactions?limit=2").await;
    let next = first["next_cursor"].as_str().unwrap();
    let second = world.ok(&format!("/v1/billing/transactions?limit=2&cursor={next}")).await;
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&seen));
    world.node.close().await;
}

#[tokio::test]
async fn a_grant_that_means_nobody_or_nothing_changes_nothing() {
    let world = World::new().await;
    let gone = namespaces::create(&world.node, world.owner, "gone").await.unwrap().id;
    namespaces::delete(&world.node, world.owner, "gone").await.unwrap();
    let grant = async |who: &str, amount: i64| world.node.grant_credit(who, MicroUsd::new(amount)).await.unwrap_err();
    for amount in [0, -1, i64::MIN] {
        assert!(matches!(grant("ada", amount).await, CreditError::Amount(_)));
    }
    for who in ["nobody", "", "usr_00000000000000000000000001", "tok_00000000000000000000000001"] {
        assert!(matches!(grant(who, 1).await, CreditError::Person(PeopleError::Nobody(_))), "{who}");
    }
    assert!(matches!(grant(&gone.to_string(), 1).await, CreditError::Namespace(_)));
    world.node.grant_credit("ada", MicroUsd::new(i64::MAX)).await.unwrap();
    assert!(matches!(grant("ada", 1).await, CreditError::TooMuch { .. }));
    world.node.remove_user("eve").await.unwrap();
    assert!(matches!(grant("eve", 1).await, CreditError::Person(PeopleError::Nobody(_))));
    assert!(matches!(grant(&world.hers.to_string(), 1).await, CreditError::Namespace(_)));
    let (_, balance) = world.own("/v1/billing/balance").await;
    assert_eq!(balance["balance_micro_usd"], i64::MAX);
    world.node.close().await;
}
