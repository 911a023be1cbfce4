//! A database, a journal, a clock, a disk that fails when it is told to, and calls.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bitrouter_gateway::{
    InferenceError,
    http::{Caller, CallerConnection, RequestContext, RequestId},
    meter::{Bound, Metered, ModelPrice, Pace, Terms},
    ports::{AdmissionRequest, Flags, Permit, Plan, Settlement, SoFar},
    protocol::{
        Dialect,
        usage::{InputTokens, OutputTokens, TokenUsage},
        verb::Verb,
    },
    registry::ProviderId,
};
use bitrouter_proto::{
    account::{CallStatus, MicroUsd, UsageOrigin, ledger::RequestRow},
    tasks::Tasks,
};
use bitrouter_test_postgres::{Database, wanted};
use tokio_util::sync::CancellationToken;

use crate::{
    Ledger, Machine, Node, NodeOptions, Settings,
    clock::{Clock, ManualClock, Moment},
    enforcement::Enforcement,
    keys::live::LiveKeys,
    ledger::{LedgerOptions, Trouble, journal::Disk},
    oauth::live::LiveTokens,
    roles::Roles,
    settings::CreditRule,
    store::{self, NodeRow, PostgresUrl, Store, TakeError},
};

pub(super) const START: Moment = Moment::from_millis(1_800_000_000_000);

/// A disk that fails when it is told to.
#[derive(Debug, Default)]
pub(super) struct TestDisk {
    /// Nothing is written any more, and nobody is told.
    pub(super) is_dead: AtomicBool,
    /// No more room is set aside.
    pub(super) is_full: AtomicBool,
    /// So many syncs fail.
    pub(super) failing_syncs: AtomicUsize,
    pub(super) syncs: AtomicUsize,
    /// It knows no setting aside.
    pub(super) is_simple: AtomicBool,
    /// The next write is cut short after so many bytes, plus one; 0: none is.
    pub(super) short: AtomicUsize,
}

impl Disk for TestDisk {
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        if self.is_dead.load(Ordering::SeqCst) {
            return Ok(bytes.len());
        }
        let short = self.short.swap(0, Ordering::SeqCst);
        let bytes = if short > 0 { &bytes[..(short - 1).min(bytes.len())] } else { bytes };
        crate::ledger::journal::RealDisk.append(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let failing = self.failing_syncs.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failing.is_ok() { Err(io::Error::from_raw_os_error(5)) } else { file.sync_data() }
    }

    fn set_aside(&self, file: &File, from: u64, length: u64) -> io::Result<()> {
        if self.is_simple.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if self.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        crate::ledger::journal::RealDisk.set_aside(file, from, length)
    }
}

/// A node's directory.
pub(super) struct World {
    _root: tempfile::TempDir,
    pub(super) dir: PathBuf,
    pub(super) clock: Arc<ManualClock>,
    pub(super) row: NodeRow,
    pub(super) settings: Arc<ArcSwap<Settings>>,
    /// Empty until a test says whose a namespace is.
    pub(super) roles: Arc<Roles>,
    /// Where it is, unless in the directory.
    database: Option<Database>,
}

/// An open ledger.
pub(super) struct Running {
    pub(super) ledger: Arc<Ledger>,
    pub(super) disk: Arc<TestDisk>,
    pub(super) store: Store,
    tasks: Tasks,
    ending: CancellationToken,
    /// Who makes the calls.
    pub(super) caller: Caller,
}

#[derive(Debug)]
struct NoConnection;

impl CallerConnection for NoConnection {
    fn close_after_reply(&self) {}
    fn wake_at(&self, _at: Option<Instant>) {}
}

impl World {
    pub(super) async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (dir, clock) = (root.path().join("d"), Arc::new(ManualClock::new(START)));
        let settings = Arc::new(ArcSwap::from_pointee(Settings::default()));
        let database = wanted();
        let options = NodeOptions {
            dir: dir.clone(),
            owner_name: "ada".to_owned(),
            database: database.as_ref().map(url_of),
            settings: Arc::clone(&settings),
            clock: Arc::clone(&clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        let node = Node::open_on(options, Machine::this()).await.unwrap();
        let row = node.row.clone();
        node.close().await;
        Self { _root: root, dir, clock, row, settings, roles: Arc::default(), database }
    }

    pub(super) fn require_credit(&self) {
        self.set_credit(CreditRule::Required);
    }

    pub(super) fn set_credit(&self, credit: CreditRule) {
        self.settings.store(Arc::new(Settings { credit, ..Settings::default() }));
    }

    /// The next start of the node, without its tasks: a test does their work.
    pub(super) async fn start(&mut self) -> Running {
        self.start_on(TestDisk::default()).await
    }

    pub(super) async fn start_on(&mut self, disk: TestDisk) -> Running {
        self.row.generation += 1;
        let (disk, store) = (Arc::new(disk), self.store().await);
        let clock = || Arc::clone(&self.clock) as Arc<dyn Clock>;
        let (keys, live) = (Arc::new(LiveKeys::new(clock())), Arc::new(LiveTokens::new(clock())));
        let enforcement = Arc::new(Enforcement::new(clock(), keys, live, Arc::clone(&self.roles), self.row.owner));
        let parts = LedgerOptions {
            dir: &self.dir,
            row: &self.row,
            store: &store,
            settings: Arc::clone(&self.settings),
            roles: Arc::clone(&self.roles),
            clock: Arc::clone(&self.clock) as _,
            enforcement,
        };
        let ledger = Ledger::open_on(parts, Arc::clone(&disk) as _).await.unwrap();
        let caller = Caller::Keyless { namespace: Some(self.row.first_namespace) };
        Running { ledger, disk, store, tasks: Tasks::new(), ending: CancellationToken::new(), caller }
    }

    /// The database; whoever had it before is gone.
    async fn store(&self) -> Store {
        let Some(database) = &self.database else { return Store::sqlite(&self.dir.join("node.db")).await.unwrap() };
        loop {
            match Store::postgres(&url_of(database)).await {
                // Its connection is closed in the background.
                Err(TakeError::Held(_)) => tokio::task::yield_now().await,
                taken => return taken.unwrap(),
            }
        }
    }

    /// Names of the files of the journal.
    pub(super) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.join("journal")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The only segment.
    pub(super) fn segment(&self) -> PathBuf {
        let names = self.files();
        let segments: Vec<_> = names.iter().filter(|name| name.ends_with(".segment")).collect();
        let [name] = segments[..] else { panic!("{names:?}") };
        self.dir.join("journal").join(name)
    }
}

fn url_of(database: &Database) -> PostgresUrl {
    PostgresUrl::parse(database.url().into()).unwrap()
}

/// A token that goes in costs one millionth, one that comes out two.
pub(super) fn price() -> Arc<ModelPrice> {
    let document = r#"{"input_tokens":{"no_cache":1000000},"output_tokens":{"text":2000000}}"#;
    Arc::new(ModelPrice::read(document).expect("a price"))
}

pub(super) fn usage(input: u64, output: u64) -> TokenUsage {
    TokenUsage {
        input: Some(InputTokens { uncached: input, ..InputTokens::default() }),
        output: Some(OutputTokens { visible: output, ..OutputTokens::default() }),
    }
}

pub(super) fn ended(input: u64, output: u64, cost: i64) -> Settlement {
    Settlement {
        status: CallStatus::Succeeded,
        usage: usage(input, output),
        origin: UsageOrigin::Provider,
        cost: Some(MicroUsd::new(cost)),
        flags: Flags::default(),
        first_byte: Some(Duration::from_millis(5)),
        error_code: None,
        objects: Vec::new(),
    }
}

impl Running {
    /// Admits a call that goes by `id`.
    pub(super) fn admit(&self, id: &str, stream: bool) -> Result<Box<dyn Permit>, InferenceError> {
        self.admit_reserving(id, stream, Some(1_000))
    }

    pub(super) fn admit_reserving(
        &self,
        id: &str,
        stream: bool,
        reserved: Option<i64>,
    ) -> Result<Box<dyn Permit>, InferenceError> {
        let started = bitrouter_proto::clock::monotonic_now();
        self.admit_planned(started, &self.ledger.plan(self.caller), id, stream, reserved)
    }

    /// Admits a call that came at `started`, by the plan that was made for it.
    pub(super) fn admit_planned(
        &self,
        started: Instant,
        plan: &Plan,
        id: &str,
        stream: bool,
        reserved: Option<i64>,
    ) -> Result<Box<dyn Permit>, InferenceError> {
        let context = RequestContext {
            id: RequestId::from_text(id.to_owned()),
            started,
            caller: self.caller,
            dialect: Dialect::ChatCompletions,
            connection: Arc::new(NoConnection),
        };
        let metered = Metered {
            price: Some(price()),
            bound: Bound { input: 100, output: Some(500), cost: reserved.map(MicroUsd::new), is_open: false },
            estimated_input: 30,
            pace: Pace { thinks_unseen: false, max_output_tps: 100 },
            terms: reserved.map(MicroUsd::new).map(Terms::of_input).unwrap_or_default(),
            tools: MicroUsd::ZERO,
        };
        let request = AdmissionRequest {
            context: &context,
            provider: &ProviderId::parse("acme").unwrap(),
            model: "m",
            requested_model: "acme:m",
            dialect: Dialect::ChatCompletions,
            verb: Verb::Generate,
            stream,
            metered: &metered,
            costs: true,
            body: 100,
            uses_byok: false,
            price_unknown: None,
        };
        match plan {
            Plan::Off | Plan::Plain => self.ledger.admit(&request),
            // It waits for nobody: each of these calls fits, or never will.
            Plan::Bound(plan) => {
                let mut admission = plan.admit(request);
                let Poll::Ready(admitted) = admission.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                    panic!("it waits");
                };
                Ok(admitted?.permit.expect("a row"))
            }
        }
    }

    /// A call from its admission to its end.
    pub(super) fn call(&self, id: &str) {
        self.admit(id, false).unwrap().settle(ended(10, 5, 7));
    }

    /// Starts the tasks.
    pub(super) fn run(&self) {
        self.ledger.run(&self.tasks, &self.ending);
    }

    /// Syncs, as the task does; true where it has to be tried again.
    pub(super) fn round(&self) -> bool {
        self.ledger.shared.journal.round(&*self.ledger.shared)
    }

    pub(super) async fn apply(&self) {
        self.ledger.apply(false).await.unwrap();
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        let now = self.ledger.troubles().borrow().clone();
        now.reading.or(now.writing)
    }

    /// All rows, the oldest first.
    pub(super) async fn rows(&self) -> Vec<RequestRow> {
        let Caller::Keyless { namespace: Some(namespace) } = self.caller else { unreachable!() };
        let mut read = self.store.read().await.unwrap();
        let mut rows = store::ledger::requests_page(&mut read, namespace, None, 1_000, 0).await.unwrap();
        rows.reverse();
        rows
    }

    /// The rows as `id status output`.
    pub(super) async fn told(&self) -> Vec<String> {
        let told = |row: RequestRow| format!("{} {} {}", row.request_id, row.status, row.completion_tokens);
        self.rows().await.into_iter().map(told).collect()
    }

    /// The process dies: nothing of what happens to its calls is written any more.
    pub(super) async fn die(self) {
        self.disk.is_dead.store(true, Ordering::SeqCst);
        self.ending.cancel();
        self.tasks.wait().await;
        self.ledger.shared.journal.let_go();
        self.store.close().await;
    }

    pub(super) async fn close(self) {
        self.ending.cancel();
        self.tasks.wait().await;
        self.ledger.close().await;
        self.store.close().await;
    }
}

/// A call has come so far.
pub(super) fn progress(permit: &mut Box<dyn Permit>, output: u64) {
    permit.progress(&SoFar { usage: usage(20, output), first_byte: Some(Duration::from_millis(3)) });
}
