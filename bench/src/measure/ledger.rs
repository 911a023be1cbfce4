//! The ledger, in this process: how fast calls are admitted and settled, and what ten million rows do to whoever asks for
//! sums and pages.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bitrouter_gateway::{
    http::{Caller, CallerConnection, Principal, RequestContext, RequestId, ResponseBody},
    meter::{Bound as TokenBound, Metered, ModelPrice, Pace},
    ports::{AdmissionRequest, Flags, Settlement},
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
    http::{Entrance, Visitor},
};
use bitrouter_proto::{
    account::{CallStatus, CredentialId, MicroUsd, Scope, ScopeSet, UsageOrigin},
    clock,
    tasks::Tasks,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    error::BenchError,
    procfs,
    stats::number,
};

/// Rows of the long table.
const MANY: u64 = 10_000_000;
/// Rows that are made before the database is waited for.
const STEP: u64 = 100_000;
/// What the long table needs on the disk, in bytes.
const ROOM: u64 = 10 << 30;
/// Over which span the rows are spread.
const SPAN: Duration = Duration::from_hours(400 * 24);
/// Threads that admit at once.
const THREADS: u64 = 4;
/// How many models the rows are of.
const MODELS: u64 = 20;

/// A clock that goes as the rows are made.
#[derive(Debug)]
struct RowClock {
    began: Instant,
    wall: SystemTime,
    passed: AtomicU64,
}

impl RowClock {
    fn advance(&self, by: Duration) {
        self.passed.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }
}

impl Clock for RowClock {
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

/// What the rows are made of.
struct Calls {
    node: Arc<Node>,
    clock: Arc<RowClock>,
    metered: Metered,
    provider: ProviderId,
    models: Vec<String>,
    connection: Arc<dyn CallerConnection>,
}

pub(super) async fn rows(options: &Options) -> Result<Vec<Row>, BenchError> {
    let root = tempfile::tempdir().map_err(BenchError::io("make a directory"))?;
    let calls = Arc::new(Calls::open(root.path()).await?);
    let times = options.pick(400_000, 50_000);
    let alone = calls.spread(1, times, Duration::ZERO)?;
    calls.applied().await?;
    let together = calls.spread(THREADS, times / THREADS, Duration::ZERO)?;
    let waited = clock::monotonic_now();
    calls.applied().await?;
    let mut rows = vec![
        Row::new(
            "call admitted and settled in the journal",
            Unit::Micros,
            1e6 * alone.as_secs_f64() / number(times),
            None,
        ),
        Row::new("journal appends, 1 thread", Unit::PerSecond, per_second(2 * times, alone), None),
        Row::new(format!("journal appends, {THREADS} threads"), Unit::PerSecond, per_second(2 * times, together), None),
        Row::new("the database is up to them after", Unit::Millis, millis(waited), None),
    ];
    let many = options.pick(MANY, 200_000);
    if free_room(root.path()) < ROOM {
        eprintln_skipped();
        return Ok(rows);
    }
    let before = procfs::rss(std::process::id());
    let began = clock::monotonic_now();
    let gap = SPAN / u32::try_from(many).unwrap_or(u32::MAX);
    for _ in 0..many / STEP {
        calls.spread(1, STEP, gap)?;
        calls.applied().await?;
    }
    let took = clock::monotonic_now().saturating_duration_since(began);
    let grown = number(procfs::rss(std::process::id()).saturating_sub(before)) / 1e6;
    let shown = format!("{} million rows", many / 1_000_000);
    rows.push(Row::new(
        format!("rows, {shown}, from admission to database"),
        Unit::PerSecond,
        per_second(many, took),
        None,
    ));
    rows.push(Row::new(format!("memory grown by {shown}"), Unit::Megabytes, grown, Some(Bound::memory(24.0))));
    let namespace = calls.node.first_namespace();
    let below = |path: &str| format!("/v1/namespaces/{namespace}{path}");
    let page = calls.get(&below("/requests?limit=100")).await?;
    let middle = page["data"][0]["seq"].as_i64().unwrap_or_default() / 2;
    let cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
    for (name, path, bound) in [
        ("usage of 30 days", below("/usage"), Some(Bound::deadline(20.0))),
        ("newest page of requests", below("/requests?limit=100"), Some(Bound::deadline(20.0))),
        ("next page", below(&format!("/requests?limit=100&cursor={cursor}")), Some(Bound::deadline(20.0))),
        ("page behind a change in the middle", below(&format!("/requests?limit=100&after={middle}")), None),
    ] {
        rows.push(Row::new(format!("{name}, {shown}"), Unit::Millis, calls.median(&path).await?, bound));
    }
    calls.node.close().await;
    Ok(rows)
}

#[expect(clippy::print_stderr, reason = "the report has numbers only")]
fn eprintln_skipped() {
    eprintln!("the long table of requests was left out: it needs 10 GB of free disk");
}

impl Calls {
    async fn open(root: &Path) -> Result<Self, BenchError> {
        let wall = clock::wall_now() - SPAN - Duration::from_hours(24);
        let clock = Arc::new(RowClock { began: clock::monotonic_now(), wall, passed: AtomicU64::new(0) });
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
        let bound =
            TokenBound { input: 1_000, output: Some(4_000), cost: Some(MicroUsd::new(100_000)), is_open: false };
        let metered = Metered {
            price: Some(Arc::new(price)),
            bound,
            estimated_input: 300,
            pace: Pace { thinks_unseen: false, max_output_tps: 150 },
            ..Metered::default()
        };
        let provider = ProviderId::parse("openai").map_err(|error| unexpected(&error))?;
        let models = (0..MODELS).map(|number| format!("model-{number}")).collect();
        Ok(Self { node, clock, metered, provider, models, connection: Arc::new(Nobody) })
    }

    /// Has each of so many threads make so many calls, `gap` of the clock apart.
    fn spread(self: &Arc<Self>, threads: u64, times: u64, gap: Duration) -> Result<Duration, BenchError> {
        let started = clock::monotonic_now();
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let calls = Arc::clone(self);
                std::thread::spawn(move || (0..times).try_for_each(|number| calls.one(number, gap)))
            })
            .collect();
        for thread in running {
            thread.join().map_err(|_| BenchError::Unexpected("a thread broke off".to_owned()))??;
        }
        Ok(clock::monotonic_now().saturating_duration_since(started))
    }

    /// One call, from its admission to its settlement.
    fn one(&self, number: u64, gap: Duration) -> Result<(), BenchError> {
        self.clock.advance(gap);
        let context = RequestContext {
            id: RequestId::from_text(format!("bench-{number}")),
            started: self.clock.began,
            caller: Caller::Keyless { namespace: Some(self.node.first_namespace()) },
            dialect: Dialect::ChatCompletions,
            connection: Arc::clone(&self.connection),
        };
        let model = &self.models[usize::try_from(number % MODELS).unwrap_or_default()];
        let mut permit = self
            .ledger()
            .admit(&AdmissionRequest {
                context: &context,
                provider: &self.provider,
                model,
                requested_model: model,
                dialect: Dialect::ChatCompletions,
                verb: Verb::Generate,
                stream: false,
                metered: &self.metered,
                costs: true,
                body: 1_000,
                price_unknown: None,
            })
            .map_err(|error| BenchError::Unexpected(error.message().to_owned()))?;
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
        Ok(())
    }

    fn ledger(&self) -> &Arc<Ledger> {
        self.node.ledger()
    }

    /// Waits until the database has every row.
    async fn applied(&self) -> Result<(), BenchError> {
        let caught_up = async { self.ledger().catch_up().await.map_err(|error| unexpected(&error)) };
        super::within("the journal to be applied", Duration::from_mins(5), caught_up).await
    }

    async fn get(&self, path: &str) -> Result<Value, BenchError> {
        let request = Request::get(path).body(Bytes::new()).map_err(|error| unexpected(&error))?;
        let caller = Caller::Credential(Principal {
            credential: CredentialId::Grant(
                "tok_00000000000000000000000001".parse().map_err(|error| unexpected(&error))?,
            ),
            namespace: self.node.first_namespace(),
            person: self.node.owner(),
            scopes: [Scope::UsageRead].into_iter().collect::<ScopeSet>(),
        });
        let visitor =
            Visitor { uid: None, is_own_user: true, address: Ipv4Addr::LOCALHOST.into(), entrance: Entrance::Public };
        let reply: Response<ResponseBody> = Arc::clone(&self.node).answer_whole(request, caller, visitor).await;
        let status = reply.status();
        let body = reply.into_body().collect().await.map_err(|error| unexpected(&error))?.to_bytes();
        if !status.is_success() {
            return Err(BenchError::Unexpected(String::from_utf8_lossy(&body).into_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| unexpected(&error))
    }

    /// The median of what a reply takes, in milliseconds.
    async fn median(&self, path: &str) -> Result<f64, BenchError> {
        let mut took = Vec::new();
        for _ in 0..15 {
            let started = clock::monotonic_now();
            self.get(path).await?;
            took.push(millis(started));
        }
        took.sort_by(f64::total_cmp);
        Ok(took[took.len() / 2])
    }
}

/// A price as rows keep it.
const PRICE: &str = r#"{"input_tokens":{"no_cache":3000000},"output_tokens":{"text":10000000}}"#;

fn free_room(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn per_second(times: u64, took: Duration) -> f64 {
    number(times) / took.as_secs_f64()
}

fn millis(since: Instant) -> f64 {
    1e3 * clock::monotonic_now().saturating_duration_since(since).as_secs_f64()
}

fn unexpected(error: &dyn std::fmt::Display) -> BenchError {
    BenchError::Unexpected(error.to_string())
}
