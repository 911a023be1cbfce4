//! Calls that are open while something begins to count.

use std::sync::atomic::Ordering;

use bitrouter_gateway::{meter::Terms, ports::Permit};
use bitrouter_proto::{
    account::{
        BindingId, MicroUsd, PolicyId,
        policy::{Funding, PolicyKind, PrincipalType, Window},
    },
    clock::monotonic_now,
};
use proptest::prelude::*;
use ulid::Ulid;

use super::world::{Running, START, World, ended};
use crate::{
    enforcement::CallTerms,
    limits::{Applicable, BudgetKey, RateKey, Verdict},
    policy::PrincipalId,
    store::{BindingRow, PolicyRow},
};

const BUDGET: &str = r#"{"window":"day","limit_micro_usd":1500}"#;
const CREDIT: &str = r#"{"window":"day","limit_micro_usd":1500,"funding":"credit"}"#;
const WIDE_BUDGET: &str = r#"{"window":"day","limit_micro_usd":1000000000}"#;
const WIDE_RATE: &str = r#"{"window_secs":60,"max_requests":1000000}"#;
const RATE: &str = r#"{"window_secs":60,"max_requests":2}"#;

impl World {
    /// Makes a policy, and binds it to the namespace that calls are made in.
    async fn bind(&self, running: &Running, number: u128, kind: PolicyKind, spec: &str) {
        let mut write = running.store.write().await.unwrap();
        let (id, namespace) = (PolicyId::new(Ulid(number)), self.row.first_namespace);
        let policy = PolicyRow {
            id,
            namespace,
            name: format!("policy {number}"),
            kind,
            spec: spec.to_owned(),
            content_patterns: 0,
            created_at: START,
            updated_at: START,
            disabled_at: None,
        };
        policy.insert(&mut write).await.unwrap();
        let binding = BindingRow {
            id: BindingId::new(Ulid(number)),
            policy: id,
            namespace,
            principal_type: PrincipalType::Namespace,
            principal_id: namespace.to_string(),
        };
        binding.insert(&mut write, START).await.unwrap();
        write.commit().await.unwrap();
        running.refresh().await;
    }

    async fn unbind(&self, running: &Running, number: u128) {
        let mut write = running.store.write().await.unwrap();
        PolicyRow::delete(&mut write, PolicyId::new(Ulid(number))).await.unwrap();
        write.commit().await.unwrap();
        running.refresh().await;
    }

    fn budget(&self, funding: Funding) -> BudgetKey {
        let namespace = self.row.first_namespace;
        BudgetKey { namespace, principal: PrincipalId::Namespace(namespace), window: Window::Day, funding }
    }

    /// What is spent and reserved of the budget.
    fn shown(&self, running: &Running, funding: Funding) -> (i64, i64) {
        let enforcement = running.ledger.enforcement();
        let shown = enforcement.limits.show(&self.budget(funding), enforcement.now()).expect("a counter");
        (shown.spent.micros(), shown.reserved.micros())
    }

    /// How many requests the rate counts.
    fn requests(&self, running: &Running) -> i64 {
        let (namespace, enforcement) = (self.row.first_namespace, running.ledger.enforcement());
        let key = RateKey { namespace, principal: PrincipalId::Namespace(namespace), window_secs: 60 };
        let has_room = |most: &i64| {
            let mut of = Applicable::default();
            of.add_rate(key, Some(*most), None, PolicyId::new(Ulid(2)));
            let call = CallTerms::plain(Terms::of_input(MicroUsd::ZERO));
            matches!(enforcement.limits.would(&of, &call, enforcement.now()), Verdict::Taken(_))
        };
        (1..1_000).find(has_room).unwrap() - 1
    }
}

impl Running {
    async fn refresh(&self) {
        self.ledger.enforcement().refresh(&self.store, &self.ledger).await.unwrap();
    }
}

fn settle(mut permit: Box<dyn Permit>) {
    permit.settle(ended(10, 5, 7));
}

#[tokio::test]
async fn p11_a_budget_holds_what_the_calls_can_cost_that_are_open_when_it_is_bound() {
    let mut world = World::new().await;
    let running = world.start().await;
    running.call("before");
    let (one, two) = (running.admit("one", true).unwrap(), running.admit("two", false).unwrap());
    world.bind(&running, 1, PolicyKind::Budget, BUDGET).await;
    assert_eq!(world.shown(&running, Funding::Any), (7, 2_000));
    let refused = running.admit_reserving("more", false, Some(1_600)).unwrap_err();
    assert_eq!(refused.code().as_str(), "budget_exceeded");
    // Whatever else changes, it is held once.
    world.bind(&running, 2, PolicyKind::RateLimit, WIDE_RATE).await;
    world.bind(&running, 3, PolicyKind::Budget, CREDIT).await;
    assert_eq!(world.shown(&running, Funding::Any), (7, 2_000));
    assert_eq!(world.shown(&running, Funding::Credit), (0, 0), "no credit pays");
    settle(one);
    assert_eq!(world.shown(&running, Funding::Any), (14, 1_000));
    // Nobody says how this one ended.
    drop(two);
    let (spent, reserved) = world.shown(&running, Funding::Any);
    assert_eq!(reserved, 0);
    settle(running.admit("under it", false).unwrap());
    assert_eq!(world.shown(&running, Funding::Any), (spent + 7, 0));
    running.apply().await;
    running.close().await;
    // The database says the same.
    let running = world.start().await;
    running.refresh().await;
    assert_eq!(world.shown(&running, Funding::Any), (spent + 7, 0));
    running.close().await;
}

#[tokio::test]
async fn p11_a_budget_that_is_bound_anew_holds_what_is_open_all_the_while() {
    let mut world = World::new().await;
    let running = world.start().await;
    let early = running.admit("early", false).unwrap();
    world.bind(&running, 1, PolicyKind::Budget, BUDGET).await;
    settle(early);
    let under_it = running.admit("under it", false).unwrap();
    world.unbind(&running, 1).await;
    let between = running.admit("between", false).unwrap();
    world.bind(&running, 1, PolicyKind::Budget, BUDGET).await;
    assert_eq!(world.shown(&running, Funding::Any), (7, 2_000));
    settle(under_it);
    settle(between);
    assert_eq!(world.shown(&running, Funding::Any), (21, 0));
    running.close().await;
}

#[tokio::test]
async fn p11_a_call_that_was_planned_before_a_budget_was_bound_counts_in_it() {
    let mut world = World::new().await;
    let running = world.start().await;
    let (started, plan) = (monotonic_now(), running.ledger.plan(running.caller));
    world.bind(&running, 1, PolicyKind::Budget, BUDGET).await;
    let permit = running.admit_planned(started, &plan, "late", false, Some(1_000)).unwrap();
    assert_eq!(world.shown(&running, Funding::Any), (0, 1_000));
    settle(permit);
    assert_eq!(world.shown(&running, Funding::Any), (7, 0));
    running.close().await;
}

#[tokio::test]
async fn p11_a_call_goes_by_the_limits_that_are_in_force_when_it_is_admitted() {
    let mut world = World::new().await;
    let running = world.start().await;
    world.bind(&running, 2, PolicyKind::RateLimit, WIDE_RATE).await;
    let (started, plan) = (monotonic_now(), running.ledger.plan(running.caller));
    world.bind(&running, 1, PolicyKind::Budget, BUDGET).await;
    let admit = |reserved| running.admit_planned(started, &plan, "late", false, Some(reserved));
    assert_eq!(admit(1_600).unwrap_err().code().as_str(), "budget_exceeded");
    let permit = admit(1_400).unwrap();
    assert_eq!(world.shown(&running, Funding::Any), (0, 1_400));
    settle(permit);
    assert_eq!(world.shown(&running, Funding::Any), (7, 0));
    running.apply().await;
    assert_eq!(running.rows().await[0].reserved_micro_usd, Some(MicroUsd::new(1_400)));
    running.close().await;
}

#[tokio::test]
async fn p11_a_rate_counts_the_calls_that_are_open_when_it_is_bound() {
    let mut world = World::new().await;
    let running = world.start().await;
    let one = running.admit("one", true).unwrap();
    world.bind(&running, 2, PolicyKind::RateLimit, RATE).await;
    assert_eq!(world.requests(&running), 1);
    let two = running.admit("two", true).unwrap();
    world.unbind(&running, 2).await;
    world.bind(&running, 2, PolicyKind::RateLimit, RATE).await;
    assert_eq!(world.requests(&running), 2, "both are open yet");
    settle(one);
    settle(two);
    assert_eq!(world.requests(&running), 2, "both were admitted within the window");
    assert!(running.admit("three", false).is_err());
    running.close().await;
}

#[tokio::test]
async fn p11_a_call_whose_row_cannot_be_written_holds_nothing() {
    let mut world = World::new().await;
    let running = world.start().await;
    world.bind(&running, 1, PolicyKind::Budget, WIDE_BUDGET).await;
    world.bind(&running, 2, PolicyKind::RateLimit, WIDE_RATE).await;
    running.disk.is_full.store(true, Ordering::SeqCst);
    let mut open = Vec::new();
    while let Ok(permit) = running.admit("x", true) {
        open.push(permit);
    }
    let (count, held) = (i64::try_from(open.len()).unwrap(), world.shown(&running, Funding::Any));
    assert_eq!((held, world.requests(&running)), ((0, 1_000 * count), count));
    open.into_iter().for_each(settle);
    assert_eq!(world.shown(&running, Funding::Any), (7 * count, 0));
    running.close().await;
}

/// What can happen to calls, and to what binds them.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call comes and is admitted.
    Admits,
    /// A call comes, and its plan is made.
    Plans,
    /// The one that came last and was not admitted yet is.
    AdmitsPlanned,
    Ends(usize),
    /// The budget is bound where it is not, else unbound.
    Budget,
    /// The same of the rate.
    Rate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Admits),
        2 => Just(Step::Plans),
        2 => Just(Step::AdmitsPlanned),
        4 => any::<usize>().prop_map(Step::Ends),
        3 => Just(Step::Budget),
        3 => Just(Step::Rate),
    ];
    prop::collection::vec(step, 1..40)
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new().await;
    let running = world.start().await;
    let (mut is_budget, mut is_rate, mut admitted, mut ended) = (false, false, 0, 0);
    let (mut open, mut planned) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Plans => planned.push((monotonic_now(), running.ledger.plan(running.caller))),
            Step::Admits => {
                open.push(running.admit("x", false).unwrap());
                admitted += 1;
            }
            Step::AdmitsPlanned => {
                if let Some((started, plan)) = planned.pop() {
                    open.push(running.admit_planned(started, &plan, "x", false, Some(1_000)).unwrap());
                    admitted += 1;
                }
            }
            Step::Ends(which) if !open.is_empty() => {
                settle(open.swap_remove(which % open.len()));
                ended += 1;
            }
            Step::Ends(_) => {}
            Step::Budget => {
                is_budget = !is_budget;
                if is_budget {
                    world.bind(&running, 1, PolicyKind::Budget, WIDE_BUDGET).await;
                } else {
                    world.unbind(&running, 1).await;
                }
            }
            Step::Rate => {
                is_rate = !is_rate;
                if is_rate {
                    world.bind(&running, 2, PolicyKind::RateLimit, WIDE_RATE).await;
                } else {
                    world.unbind(&running, 2).await;
                }
            }
        }
        if is_budget {
            prop_assert_eq!(world.shown(&running, Funding::Any), (7 * ended, 1_000 * (admitted - ended)));
        }
        if is_rate {
            prop_assert_eq!(world.requests(&running), admitted);
        }
    }
    open.into_iter().for_each(settle);
    running.close().await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn p11_whatever_is_bound_when_counts_every_call_once(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
