//! Leases that are held, lost, claimed, left behind by a process, expired and revoked.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bitrouter_gateway::http::Caller;
use bitrouter_proto::{
    account::{KeyId, MicroUsd, RunSummary},
    clock,
    tasks::Tasks,
};
use bitrouter_test_postgres::{Database, wanted};
use secrecy::{ExposeSecret as _, SecretString};

use super::*;
use crate::{
    Machine, Node, NodeOptions, Settings,
    clock::{Clock as _, ManualClock, Moment},
    store::{ApiKeyRow, LeaseRow, PolicyRow, PostgresUrl},
};

const GRACE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_hours(1);

struct World {
    _root: tempfile::TempDir,
    dir: PathBuf,
    clock: Arc<ManualClock>,
    database: Option<Database>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_800_000_000_000)));
        Self { dir: root.path().join("d"), _root: root, clock, database: wanted() }
    }

    async fn open(&self) -> Arc<Node> {
        let options = NodeOptions {
            dir: self.dir.clone(),
            owner_name: "ada".to_owned(),
            database: self.database.as_ref().map(|database| PostgresUrl::parse(database.url().into()).unwrap()),
            settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
            clock: Arc::clone(&self.clock) as _,
            tasks: Tasks::new(),
            outbound: Arc::new(crate::outbound::NoOutbound),
        };
        Node::open_on(options, Machine::this()).await.unwrap()
    }

    /// Time passes, and whoever looks after leases looks.
    fn pass(&self, node: &Node, time: Duration) {
        self.clock.advance(time);
        node.leases.changed.notify_one();
    }
}

fn wanted_lease(node: &Node) -> NewLease {
    NewLease {
        name: "exec claude".to_owned(),
        namespace: node.first_namespace(),
        budget: Some(MicroUsd::new(2_000_000)),
        models: vec!["demo/*".to_owned()],
        lasts: HOUR,
    }
}

fn stays() -> IsGone {
    Arc::new(|| false)
}

async fn opened(node: &Arc<Node>) -> (OpenedLease, LeaseHold) {
    node.open_lease(wanted_lease(node), stays()).await.unwrap()
}

fn opens(node: &Node, key: &SecretString) -> bool {
    node.judge(key.expose_secret().as_bytes()).is_ok()
}

/// Waits until `is_so`, which is to be soon.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = clock::after(Duration::from_secs(20));
    while !is_so().await {
        assert!(clock::monotonic_now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn row(node: &Node, id: KeyId) -> LeaseRow {
    LeaseRow::find(&mut node.store.read().await.unwrap(), id).await.unwrap().unwrap()
}

async fn policies(node: &Node) -> usize {
    let mut read = node.store.read().await.unwrap();
    PolicyRow::list(&mut read, node.first_namespace(), None).await.unwrap().len()
}

/// It is over: its key opens nothing, its policies are gone, and what is said of it is written.
async fn is_over(node: &Node, lease: &OpenedLease) {
    until("the end of a lease", async || row(node, lease.id).await.ended_at.is_some()).await;
    assert!(!opens(node, &lease.key));
    assert_eq!(policies(node).await, 0);
    let key = ApiKeyRow::find(&mut node.store.read().await.unwrap(), lease.id).await.unwrap().unwrap();
    assert!(key.revoked_at.is_some());
}

#[tokio::test]
async fn a_lease_is_a_key_with_its_policies_and_ends_with_them() {
    let world = World::new();
    let node = world.open().await;
    let (lease, hold) = opened(&node).await;
    let Ok(Caller::Credential(principal)) = node.judge(lease.key.expose_secret().as_bytes()) else { panic!() };
    assert_eq!(principal.scopes.to_string(), "inference:invoke");
    assert_eq!(lease.expires_at, world.clock.wall().after(HOUR));
    let plan = node.ledger().plan(Caller::Credential(principal));
    let plan = plan.bound().expect("rules");
    assert!(plan.limits_money() && plan.denies_model("openai", "gpt").is_some());
    assert!(plan.denies_model("demo", "echo").is_none());
    assert!(node.run_of(Caller::Credential(principal)).is_some());
    let made: Vec<_> = row(&node, lease.id).await.policies().collect();
    assert!(made.iter().all(|policy| node.leases.bound_by(*policy) == Some(lease.id)));
    assert_eq!(policies(&node).await, 2);

    let wrong = node.end_lease(lease.id, &"x".into()).await.unwrap_err();
    assert!(matches!(wrong, LeaseError::Absent) && opens(&node, &lease.key));
    let run = node.run_of(Caller::Credential(principal)).unwrap();
    run.refused("budget_exceeded");
    run.refused("budget_exceeded");
    let used = node.end_lease(lease.id, &lease.claim).await.unwrap();
    assert!(hold.over().await);
    is_over(&node, &lease).await;
    assert_eq!((used.requests, used.refused[0].count), (0, 2));
    assert!(made.iter().all(|policy| node.leases.bound_by(*policy).is_none()));
    // Whoever asks again is told the same.
    drop(hold);
    assert_eq!(node.end_lease(lease.id, &lease.claim).await.unwrap(), used);
    // A call that was judged before that ends at once.
    assert!(node.run_of(Caller::Credential(principal)).unwrap().ended().is_cancelled());
    node.close().await;
}

#[tokio::test]
async fn a_lease_that_nobody_holds_is_claimed_within_its_time_or_ends() {
    let world = World::new();
    let node = world.open().await;
    let (lease, hold) = opened(&node).await;
    world.pass(&node, 10 * GRACE);
    assert!(opens(&node, &lease.key), "it is held");
    drop(hold);
    world.pass(&node, GRACE.checked_sub(Duration::from_secs(1)).unwrap());
    let wrong = node.claim_lease(lease.id, &"x".into(), stays()).await;
    assert!(matches!(wrong, Err(LeaseError::Absent)));
    let second = node.claim_lease(lease.id, &lease.claim, stays()).await.unwrap();
    // Somebody else holds it now: what the first one leaves behind is nothing.
    let third = node.claim_lease(lease.id, &lease.claim, stays()).await.unwrap();
    drop(second);
    world.pass(&node, 10 * GRACE);
    assert!(opens(&node, &lease.key));
    drop(third);
    world.pass(&node, GRACE);
    is_over(&node, &lease).await;
    let late = node.claim_lease(lease.id, &lease.claim, stays()).await;
    assert!(matches!(late, Err(LeaseError::Over)));
    node.close().await;
}

#[tokio::test]
async fn a_lease_whose_holder_is_gone_for_good_ends_at_once() {
    let world = World::new();
    let node = world.open().await;
    let is_gone = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_gone);
    let ask: IsGone = Arc::new(move || asked.load(Ordering::SeqCst));
    let (lease, hold) = node.open_lease(wanted_lease(&node), ask).await.unwrap();
    drop(hold);
    world.pass(&node, Duration::from_secs(1));
    assert!(opens(&node, &lease.key));
    is_gone.store(true, Ordering::SeqCst);
    is_over(&node, &lease).await;
    node.close().await;
}

#[tokio::test]
async fn leases_that_a_process_left_behind_are_claimed_or_end() {
    let world = World::new();
    let node = world.open().await;
    let (kept, first) = opened(&node).await;
    let (left, second) = opened(&node).await;
    let Ok(caller) = node.judge(kept.key.expose_secret().as_bytes()) else { panic!() };
    node.run_of(caller).unwrap().refused("model_denied");
    node.close().await;
    assert!(!first.over().await, "its successor is to be asked");
    drop((first, second, node));

    let node = world.open().await;
    assert!(opens(&node, &kept.key) && opens(&node, &left.key));
    let hold = node.claim_lease(kept.id, &kept.claim, stays()).await.unwrap();
    world.pass(&node, GRACE);
    until("the end of what nobody claimed", async || row(&node, left.id).await.ended_at.is_some()).await;
    assert!(opens(&node, &kept.key) && !opens(&node, &left.key));
    assert_eq!(policies(&node).await, 2);
    let RunSummary { refused, .. } = node.end_lease(kept.id, &kept.claim).await.unwrap();
    assert_eq!((refused[0].code.as_str(), refused[0].count), ("model_denied", 1));
    drop(hold);
    is_over(&node, &kept).await;
    node.close().await;
}

#[tokio::test]
async fn a_lease_ends_with_its_time() {
    let world = World::new();
    let node = world.open().await;
    let (lease, hold) = opened(&node).await;
    world.pass(&node, HOUR);
    assert!(!opens(&node, &lease.key));
    assert!(hold.over().await);
    is_over(&node, &lease).await;
    node.close().await;
}

#[tokio::test]
async fn a_lease_ends_with_its_key() {
    let world = World::new();
    let node = world.open().await;
    let (lease, hold) = opened(&node).await;
    let (owner, namespace) = (node.owner(), node.first_namespace());
    node.revoke_key(namespace, lease.id, owner, node.roles.of(owner, namespace)).await.unwrap();
    assert!(hold.over().await);
    is_over(&node, &lease).await;
    node.close().await;
}

#[tokio::test]
async fn what_cannot_be_bound_leaves_nothing() {
    let world = World::new();
    let node = world.open().await;
    let of = |change: fn(&mut NewLease)| {
        let mut new = wanted_lease(&node);
        change(&mut new);
        new
    };
    for new in [
        of(|new| new.budget = Some(MicroUsd::ZERO)),
        of(|new| new.models = vec![String::new()]),
        of(|new| new.lasts = Duration::ZERO),
        of(|new| new.lasts = Duration::from_hours(24 * 400)),
        of(|new| new.name = String::new()),
    ] {
        node.open_lease(new, stays()).await.unwrap_err();
    }
    assert_eq!((policies(&node).await, node.keys.count_in(Some(node.first_namespace()))), (0, 0));
    assert!(node.leases.is_empty());
    let unbounded = NewLease { budget: None, models: Vec::new(), ..wanted_lease(&node) };
    let (lease, hold) = node.open_lease(unbounded, stays()).await.unwrap();
    assert!(opens(&node, &lease.key));
    assert_eq!(policies(&node).await, 0);
    drop(hold);
    node.close().await;
}

bitrouter_test_postgres::once_more_on_postgres!(
    a_lease_is_a_key_with_its_policies_and_ends_with_them,
    a_lease_that_nobody_holds_is_claimed_within_its_time_or_ends,
    leases_that_a_process_left_behind_are_claimed_or_end,
);
