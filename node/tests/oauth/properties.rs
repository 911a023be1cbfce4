//! Whatever happens in whatever order: a session has one live branch, one that was ended never opens again, and a code is
//! decided once.

use std::{collections::BTreeSet, time::Duration};

use bitrouter_proto::account::ScopeSet;
use proptest::prelude::*;

use crate::support::{Pair, TestNode, neighbour, user_code};

const GRACE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
enum Step {
    Refresh(prop::sample::Index),
    RefreshNewest,
    RefreshAsAnother(prop::sample::Index),
    RefreshWider(prop::sample::Index),
    Use(prop::sample::Index),
    Revoke(prop::sample::Index),
    Advance(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let any_index = any::<prop::sample::Index>;
    prop_oneof![
        3 => any_index().prop_map(Step::Refresh),
        6 => Just(Step::RefreshNewest),
        1 => any_index().prop_map(Step::RefreshAsAnother),
        1 => any_index().prop_map(Step::RefreshWider),
        4 => any_index().prop_map(Step::Use),
        1 => any_index().prop_map(Step::Revoke),
        3 => (0..40_u64).prop_map(Step::Advance),
        1 => Just(Step::Reopen),
    ]
}

/// What a session must be, said once more and naively.
struct Model {
    /// Each refresh token by its generation; the last one is unspent.
    refresh: Vec<String>,
    /// Every access token with its generation and when it was made.
    access: Vec<(String, usize, Duration)>,
    /// When an access token of each generation was first used.
    used: Vec<Option<Duration>>,
    now: Duration,
    is_over: bool,
}

impl Model {
    fn receive(&mut self, pair: Pair, generation: usize) {
        match self.refresh.get(generation) {
            Some(known) => assert_eq!(*known, pair.refresh, "one successor, however often it is asked for"),
            None => {
                assert_eq!(generation, self.refresh.len());
                self.refresh.push(pair.refresh);
                self.used.push(None);
            }
        }
        self.access.push((pair.access, generation, self.now));
    }

    /// Whether a refresh with this generation's token is answered.
    fn may_refresh(&self, generation: usize) -> bool {
        let newest = self.refresh.len() - 1;
        let in_grace = self.used[newest].is_none_or(|used| self.now <= used + GRACE);
        !self.is_over && (generation == newest || (generation + 1 == newest && in_grace))
    }

    fn opens(&self, at: usize) -> bool {
        !self.is_over && self.now < self.access[at].2 + Duration::from_hours(1)
    }
}

async fn run(steps: Vec<Step>) {
    let mut node = TestNode::new().await;
    let first = node.sign_in(Some("usage:read")).await;
    let mut model = Model { refresh: vec![], access: vec![], used: vec![], now: Duration::ZERO, is_over: false };
    model.receive(first, 0);
    for step in steps {
        match step {
            Step::Advance(seconds) => {
                node.advance(Duration::from_secs(seconds));
                model.now += Duration::from_secs(seconds);
            }
            Step::Reopen => node = node.reopened().await,
            Step::Use(at) => {
                let at = at.index(model.access.len());
                let (token, generation, _) = model.access[at].clone();
                assert_eq!(node.opens(&token), model.opens(at));
                if model.opens(at) && model.used[generation].is_none() {
                    model.used[generation] = Some(model.now);
                }
            }
            Step::Revoke(at) => {
                node.revoke(&model.refresh[at.index(model.refresh.len())]).await.ok();
                model.is_over = true;
            }
            Step::RefreshAsAnother(at) => {
                let token = &model.refresh[at.index(model.refresh.len())];
                let refused = node.refresh_as("tokenroute-cli", token, None).await;
                assert_eq!(refused.refusal().1, "invalid_grant");
            }
            Step::RefreshWider(at) => {
                let at = at.index(model.refresh.len());
                let refused = node.refresh_as("bitrouter-cli", &model.refresh[at], Some("usage:read keys:read")).await;
                let may = model.may_refresh(at);
                assert_eq!(refused.refusal().1, if may { "invalid_scope" } else { "invalid_grant" });
                model.is_over |= !may;
            }
            Step::Refresh(_) | Step::RefreshNewest => {
                let at = match &step {
                    Step::Refresh(at) => at.index(model.refresh.len()),
                    _ => model.refresh.len() - 1,
                };
                let reply = node.refresh(&model.refresh[at]).await;
                if model.may_refresh(at) {
                    model.receive(reply.pair(), at + 1);
                } else {
                    assert_eq!(reply.refusal(), (400, "invalid_grant".to_owned()));
                    model.is_over = true;
                }
            }
        }
        assert_eq!(node.sessions().await.len(), usize::from(!model.is_over));
    }
    for at in 0..model.access.len() {
        assert_eq!(node.opens(&model.access[at].0), model.opens(at));
    }
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Poll,
    Approve,
    Deny,
    Advance(u64),
    Reopen,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        5 => Just(Turn::Poll),
        1 => Just(Turn::Approve),
        1 => Just(Turn::Deny),
        3 => (0..400_u64).prop_map(Turn::Advance),
        1 => Just(Turn::Reopen),
    ]
}

async fn decide(turns: Vec<Turn>) {
    let mut node = TestNode::new().await;
    let code = node.start(None).await;
    let (mut age, mut approved, mut refresh_tokens) = (0, None, BTreeSet::new());
    for turn in turns {
        match turn {
            Turn::Advance(seconds) => {
                node.advance(Duration::from_secs(seconds));
                age += seconds;
            }
            Turn::Reopen => node = node.reopened().await,
            Turn::Approve => {
                let done = node.approve_with(&code, ScopeSet::DEFAULT).await.is_ok();
                assert_eq!(done, approved.is_none() && age < 600);
                approved = if done { Some(true) } else { approved };
            }
            Turn::Deny => {
                let done = node.node.deny_code(user_code(&code), node.node.owner(), &neighbour()).await.is_ok();
                assert_eq!(done, approved.is_none() && age < 600);
                approved = if done { Some(false) } else { approved };
            }
            Turn::Poll => {
                let reply = node.poll(&code).await;
                let allowed: &[&str] = match (approved, age) {
                    (_, 1_200..) => &["invalid_grant"],
                    (Some(false), _) => &["access_denied"],
                    (Some(true), _) if !refresh_tokens.is_empty() && age >= 600 => &["invalid_grant"],
                    (_, 600..) => &["expired_token"],
                    (None, _) => &["authorization_pending", "slow_down"],
                    (Some(true), _) => {
                        refresh_tokens.insert(reply.pair().refresh);
                        &[]
                    }
                };
                assert!(allowed.is_empty() || allowed.contains(&&*reply.refusal().1), "{reply:?} {allowed:?}");
            }
        }
        assert!(refresh_tokens.len() <= 1 && node.sessions().await.len() == refresh_tokens.len());
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn n09_a_session_has_one_live_branch_and_never_comes_back(steps in prop::collection::vec(step(), 1..24)) {
        block_on(run(steps));
    }

    #[test]
    fn n02_a_code_is_decided_once_and_spent_once(turns in prop::collection::vec(turn(), 1..24)) {
        block_on(decide(turns));
    }
}
