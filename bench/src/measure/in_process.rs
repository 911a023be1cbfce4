//! A node in this process, with a clock of its own and calls that are admitted and settled without being made.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bitrouter_gateway::{
    http::{Caller, CallerConnection, RequestContext, RequestId, ResponseBody},
    meter::{Bound, Metered, ModelPrice, Pace, Terms},
    ports::{AdmissionRequest, Flags, Permit, Plan, Settlement},
    protocol::{
        Dialect,
        usage::{InputTokens, OutputTokens, TokenUsage},
        verb::Verb,
    },
    registry::ProviderId,
};
use bitrouter_node::{
    Ledger, Node, NodeOptions,
    clock::{Clock, Moment},
};
use bitrouter_proto::{
    account::{CallStatus, MicroUsd, UsageOrigin},
    clock,
    tasks::Tasks,
};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::error::BenchError;

/// How many models the rows are of.
const MODELS: u64 = 20;

/// A price as rows keep it.
const PRICE: &str = r#"{"input_tokens":{"no_cache":3000000},"output_tokens":{"text":10000000}}"#;

/// A clock that goes as it is told.
#[derive(Debug)]
struct ToldClock {
    began: Instant,
    wall: SystemTime,
    passed: AtomicU64,
}

impl ToldClock {
    fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }
}

impl Clock for ToldClock {
    fn wall(&self) -> Moment {
        (self.wall + self.passed()).into()
    }

    fn monotonic(&self) -> Instant {
        self.began + self.passed()
    }

    fn since_boot(&self) -> Duration {
        Duration::from_hours(1) + self.passed()
    }
}

/// A caller whose connection wants nothing.
#[derive(Debug)]
struct Nobody;

impl CallerConnection for Nobody {
    fn close_after_reply(&self) {}

    fn wake_at(&self, _at: Option<Instant>) {}
}

/// A node, and what its calls are made of.
pub(super) struct InProcess {
    pub(super) node: Arc<Node>,
    clock: Arc<ToldClock>,
    metered: Metered,
    provider: ProviderId,
    models: Vec<String>,
    connection: Arc<dyn CallerConnection>,
}

impl InProcess {
    /// A node below `root`, whose clock stands `before` now.
    pub(super) async fn open(root: &Path, before: Duration) -> Result<Self, BenchError> {
        let wall = clock::wall_now() - before;
        let clock = Arc::new(ToldClock { began: clock::monotonic_now(), wall, passed: AtomicU64::new(0) });
        let node = Node::open(NodeOptions {
            dir: root.join("node"),
            owner_name: "bench".to_owned(),
            database: None,
            settings: Arc::default(),
            clock: Arc::clone(&clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(bitrouter_node::outbound::NoOutbound),
        });
        let node = node.await.map_err(|error| unexpected(&error))?;
        let price = ModelPrice::read(PRICE).ok_or_else(|| BenchError::Unexpected("no price".to_owned()))?;
        let bound = Bound { input: 1_000, output: Some(4_000), cost: Some(MicroUsd::new(100_000)), is_open: false };
        let metered = Metered {
            price: Some(Arc::new(price)),
            bound,
            terms: Terms::of_input(MicroUsd::new(100_000)),
            estimated_input: 300,
            pace: Pace { thinks_unseen: false, max_output_tps: 150 },
            ..Metered::default()
        };
        let provider = ProviderId::parse("openai").map_err(|error| unexpected(&error))?;
        let models = (0..MODELS).map(|number| format!("model-{number}")).collect();
        Ok(Self { node, clock, metered, provider, models, connection: Arc::new(Nobody) })
    }

    /// Lets the clock go on.
    pub(super) fn advance(&self, by: Duration) {
        self.clock.passed.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whoever calls without a key.
    pub(super) fn keyless(&self) -> Caller {
        Caller::Keyless { namespace: Some(self.node.first_namespace()) }
    }

    /// One call that nothing binds, from its admission to its settlement.
    pub(super) fn plain_call(&self, number: u64, caller: Caller) -> Result<(), BenchError> {
        let context = self.context(number, caller);
        let permit = self.ledger().admit(&self.request(number, &context)).map_err(|error| refused(&error))?;
        settle(permit);
        Ok(())
    }

    /// One call as the gateway makes it: what binds it is asked for and judges it, then it is admitted and settled.
    pub(super) async fn call(&self, number: u64, caller: Caller) -> Result<(), BenchError> {
        let context = self.context(number, caller);
        let request = self.request(number, &context);
        let permit = match self.ledger().plan(caller) {
            Plan::Off => return Err(BenchError::Unexpected("calls are not metered".to_owned())),
            Plan::Plain => Some(self.ledger().admit(&request).map_err(|error| refused(&error))?),
            Plan::Bound(plan) => {
                if plan.denies_model(self.provider.as_str(), request.model).is_some() {
                    return Err(BenchError::Unexpected("the model is denied".to_owned()));
                }
                plan.admit(request).await.map_err(|error| refused(&error))?.permit
            }
        };
        permit.map(settle).ok_or_else(|| BenchError::Unexpected("a call without a row".to_owned()))
    }

    fn context(&self, number: u64, caller: Caller) -> RequestContext {
        RequestContext {
            id: RequestId::from_text(format!("bench-{number}")),
            started: self.clock.began,
            caller,
            dialect: Dialect::ChatCompletions,
            connection: Arc::clone(&self.connection),
        }
    }

    fn request<'a>(&'a self, number: u64, context: &'a RequestContext) -> AdmissionRequest<'a> {
        let model = &self.models[usize::try_from(number % MODELS).unwrap_or_default()];
        AdmissionRequest {
            context,
            provider: &self.provider,
            model,
            requested_model: model,
            dialect: Dialect::ChatCompletions,
            verb: Verb::Generate,
            stream: false,
            metered: &self.metered,
            costs: true,
            body: 1_000,
            uses_byok: false,
            price_unknown: None,
        }
    }

    /// The node's rows.
    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        self.node.ledger()
    }

    /// Waits until the database has every row.
    pub(super) async fn applied(&self) -> Result<(), BenchError> {
        let caught_up = async { self.ledger().catch_up().await.map_err(|error| unexpected(&error)) };
        super::within("the journal to be applied", Duration::from_mins(5), caught_up).await
    }

    /// What `path` shows to the owner.
    pub(super) async fn get(&self, path: &str) -> Result<Value, BenchError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// What comes of sending `body` to `path`, as the owner.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, BenchError> {
        self.ask(Method::POST, path, body.to_string().into()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Value, BenchError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| unexpected(&error))?;
        let reply: Response<ResponseBody> = Arc::clone(&self.node).answer_owner(request).await;
        let status = reply.status();
        let body = reply.into_body().collect().await.map_err(|error| unexpected(&error))?.to_bytes();
        if !status.is_success() {
            return Err(BenchError::Unexpected(String::from_utf8_lossy(&body).into_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| unexpected(&error))
    }
}

/// What a call has come to.
fn settle(mut permit: Box<dyn Permit>) {
    permit.settle(Settlement {
        status: CallStatus::Succeeded,
        usage: TokenUsage {
            input: Some(InputTokens { uncached: 250, ..InputTokens::default() }),
            output: Some(OutputTokens { visible: 40, ..OutputTokens::default() }),
        },
        origin: UsageOrigin::Provider,
        cost: Some(MicroUsd::new(1_150)),
        flags: Flags::default(),
        first_byte: Some(Duration::from_millis(300)),
        error_code: None,
        objects: Vec::new(),
    });
}

fn refused(error: &bitrouter_gateway::InferenceError) -> BenchError {
    BenchError::Unexpected(error.message().to_owned())
}

fn unexpected(error: &dyn std::fmt::Display) -> BenchError {
    BenchError::Unexpected(error.to_string())
}
