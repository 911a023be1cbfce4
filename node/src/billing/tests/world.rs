//! A node that sells, and a Stripe that says what it is told to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{http::Caller, ports::BoxFuture};
use bitrouter_proto::tasks::Tasks;
use bitrouter_test_postgres::{Database, wanted};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    Node, NodeOptions, Settings, StripeSettings,
    billing::{metadata::Purchase, signature::signed},
    clock::{Clock as _, ManualClock, Moment},
    http::{Entrance, Visitor},
    outbound::{Outbound, OutboundError},
    store::PostgresUrl,
};

pub(super) const HOOK: &str = "whsec_canary";
pub(super) const KEY: &str = "sk_test_canary";

/// What Stripe does with the next call.
#[derive(Debug)]
pub(super) enum Answer {
    Says(u16, Value),
    Unreachable,
    Lost,
    /// The first, once it is told to.
    Once(Arc<Notify>, Value),
}

/// A call that arrived at Stripe.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) key: String,
    pub(super) idempotency_key: String,
    pub(super) version: String,
    pub(super) body: String,
}

#[derive(Debug, Default)]
pub(super) struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    pub(super) arrived: Notify,
}

impl Outbound for Scripted {
    fn send(&self, request: Request<Bytes>, _: Duration) -> BoxFuture<'_, Result<Response<Bytes>, OutboundError>> {
        let text = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        self.asked.lock().unwrap().push(Asked {
            line: format!("{} {}", request.method(), request.uri()),
            key: text("authorization"),
            idempotency_key: text("idempotency-key"),
            version: text("stripe-version"),
            body: String::from_utf8(request.body().to_vec()).unwrap(),
        });
        let answer = self.answers.lock().unwrap().pop_front();
        self.arrived.notify_one();
        Box::pin(async move {
            let (status, document) = match answer.expect("nobody expected this call") {
                Answer::Says(status, document) => (status, document),
                Answer::Unreachable => return Err(OutboundError::Unreachable("nobody is there".to_owned())),
                Answer::Lost => return Err(OutboundError::Lost("it broke off".to_owned())),
                Answer::Once(told, document) => {
                    told.notified().await;
                    (200, document)
                }
            };
            Ok(Response::builder().status(status).body(Bytes::from(document.to_string())).unwrap())
        })
    }
}

pub(super) struct World {
    pub(super) node: Arc<Node>,
    pub(super) stripe: Arc<Scripted>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) settings: Arc<ArcSwap<Settings>>,
    _root: tempfile::TempDir,
    _database: Option<Database>,
}

impl World {
    pub(super) async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_780_000_000_000)));
        let stripe = StripeSettings {
            secret_key: KEY.into(),
            webhook_secret: HOOK.into(),
            api_base: "https://stripe.example".to_owned(),
        };
        let settings = Settings { stripe: Some(stripe), ..Settings::default() };
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let (stripe, database) = (Arc::new(Scripted::default()), wanted());
        let options = NodeOptions {
            dir: root.path().join("bitrouter"),
            owner_name: "ada".to_owned(),
            database: database.as_ref().map(|database| PostgresUrl::parse(database.url().into()).unwrap()),
            settings: Arc::clone(&settings),
            clock: Arc::clone(&clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::clone(&stripe) as _,
        };
        let node = Node::open(options).await.unwrap();
        Self { node, stripe, clock, settings, _root: root, _database: database }
    }

    /// Tells Stripe what to do with the calls that come.
    pub(super) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.stripe.answers.lock().unwrap().extend(answers);
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.stripe.asked.lock().unwrap().clone()
    }

    /// Sends a request as the owner does.
    pub(super) async fn ask(&self, request: Request<Bytes>) -> (u16, Value, bool) {
        let response = Arc::clone(&self.node).answer_owner(request).await;
        let is_replay = response.headers().contains_key("idempotency-replayed");
        let (status, body) = (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes());
        (status, serde_json::from_slice(&body).unwrap(), is_replay)
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.ask(Request::get(path).body(Bytes::new()).unwrap()).await.1
    }

    /// Buys credit.
    pub(super) async fn buy(&self, cents: &str, key: Option<&str>) -> (u16, Value, bool) {
        let body = format!("{{\"amount_cents\":{cents}}}");
        let mut request = Request::post("/v1/billing/checkout/sessions")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, body.len());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.ask(request.body(Bytes::from(body)).unwrap()).await
    }

    /// Buys credit with a session that Stripe makes.
    pub(super) async fn bought(&self, id: &str, cents: i64) {
        self.script([Answer::Says(200, session(id))]);
        assert_eq!(self.buy(&cents.to_string(), None).await.0, 200);
    }

    /// Delivers an event as Stripe does.
    pub(super) async fn event(&self, kind: &str, object: Value) -> (u16, Value) {
        let event =
            json!({"id": "evt_1", "object": "event", "type": kind, "livemode": false, "data": {"object": object}});
        self.deliver(&event).await
    }

    pub(super) async fn deliver(&self, event: &Value) -> (u16, Value) {
        let body = Bytes::from(event.to_string());
        let header = signed(&body, HOOK, self.clock.wall());
        self.post_event(body, Some(&header)).await
    }

    pub(super) async fn post_event(&self, body: Bytes, signature: Option<&str>) -> (u16, Value) {
        let mut request =
            Request::post("/v1/billing/stripe/webhook").header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let visitor = Visitor {
            uid: None,
            is_own_user: false,
            address: "192.0.2.1".parse().unwrap(),
            entrance: Entrance::Loopback { authority: "127.0.0.1:4356".to_owned() },
        };
        let node = Arc::clone(&self.node);
        let response = node.answer_whole(request.body(body).unwrap(), Caller::Anyone, visitor).await;
        let (status, body) = (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes());
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The owner's credit in micro-USD, which is the sum of the transactions and what calls are judged by.
    pub(super) async fn balance(&self) -> i64 {
        let balance = self.get("/v1/billing/balance").await["balance_micro_usd"].as_i64().unwrap();
        let sum: i64 = self.transactions().await.iter().map(|(_, amount)| amount).sum();
        assert_eq!((sum, self.node.ledger.balance(self.node.owner()).micros()), (balance, balance));
        balance
    }

    /// Kinds and amounts in cents, the oldest first.
    pub(super) async fn transactions(&self) -> Vec<(String, i64)> {
        let page = self.get("/v1/billing/transactions?limit=100").await;
        let row = |row: &Value| (row["kind"].as_str().unwrap().to_owned(), row["amount_micro_usd"].as_i64().unwrap());
        page["data"].as_array().unwrap().iter().rev().map(row).collect()
    }

    /// The metadata of a session that this node has signed and its database does not know.
    pub(super) fn signed_metadata(&self, cents: i64) -> Value {
        let purchase = Purchase {
            checkout: crate::secret::random_ulid(self.clock.wall()),
            person: self.node.owner(),
            amount: bitrouter_proto::account::MicroUsd::new(cents * 10_000),
        };
        let pairs = purchase.metadata(self.node.id(), &self.node.key);
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// What Stripe says of a session that it has made.
pub(super) fn session(id: &str) -> Value {
    json!({
        "id": id, "object": "checkout.session", "url": format!("https://pay.example/{id}"), "livemode": false,
        "payment_status": "unpaid", "payment_intent": null,
    })
}

/// What it says of one that somebody has been through.
pub(super) fn paid(id: &str, status: &str) -> Value {
    json!({
        "id": id, "object": "checkout.session", "livemode": false, "payment_status": status,
        "payment_intent": format!("pi_of_{id}"), "amount_total": 99_999_999, "currency": "eur", "metadata": {},
    })
}

pub(super) fn refund(id: &str, of: &str, cents: i64, status: &str) -> Value {
    json!({
        "id": id, "object": "refund", "amount": cents, "currency": "usd", "payment_intent": format!("pi_of_{of}"),
        "status": status,
    })
}
