//! P8 over time: whatever becomes of a person's role, no token may more than was issued and than the role allows now, and
//! none comes back.

use bitrouter_gateway::http::Caller;
use bitrouter_node::{oauth::approval::Decision, people::Password};
use bitrouter_proto::account::{NamespaceId, PersonId, Role, Scope, ScopeSet};
use proptest::prelude::*;

use super::support::{TestNode, neighbour, user_code};

#[derive(Clone, Debug)]
enum Step {
    Make(Role),
    Remove,
    /// Approve these, and come for them.
    SignIn(Vec<Scope>),
    /// Approve these, and come for them after the next change of the role.
    SignInLater(Vec<Scope>),
    /// Renew the session of this token, for these scopes of it or all.
    Refresh(prop::sample::Index, Option<Vec<Scope>>),
    Reopen,
}

fn scopes() -> impl Strategy<Value = Vec<Scope>> {
    prop::sample::subsequence(ScopeSet::GRANTABLE.iter().collect::<Vec<_>>(), 1..8)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::sample::select(Role::GIVEN).prop_map(Step::Make),
        2 => Just(Step::Remove),
        5 => scopes().prop_map(Step::SignIn),
        2 => scopes().prop_map(Step::SignInLater),
        4 => (any::<prop::sample::Index>(), prop::option::of(scopes())).prop_map(|(at, set)| Step::Refresh(at, set)),
        1 => Just(Step::Reopen),
    ]
}

/// A token as it was issued.
struct Issued {
    access: String,
    refresh: String,
    scopes: ScopeSet,
    /// What its session was granted.
    granted: ScopeSet,
    /// True until its person was removed.
    is_alive: bool,
    /// True where another refresh token has followed.
    is_spent: bool,
}

struct Run {
    test: TestNode,
    eve: PersonId,
    namespace: NamespaceId,
    role: Option<Role>,
    tokens: Vec<Issued>,
    waiting: Vec<(serde_json::Value, ScopeSet)>,
}

impl Run {
    async fn new() -> Self {
        let test = TestNode::new().await;
        let password = Password::new("correct horse battery".into()).unwrap();
        let eve = test.node.add_user("eve".parse().unwrap(), password).await.unwrap().id;
        let namespace = test.node.first_namespace();
        Self { test, eve, namespace, role: None, tokens: Vec::new(), waiting: Vec::new() }
    }

    fn allowed(&self) -> ScopeSet {
        self.role.map_or(ScopeSet::EMPTY, Role::scopes)
    }

    /// What was approved, if anything was.
    async fn approve(&mut self, ticked: &[Scope]) -> Option<(serde_json::Value, ScopeSet)> {
        let ticked = ScopeSet::of(ticked);
        self.test.advance(std::time::Duration::from_secs(1));
        let code = self.test.start(Some(&ticked.to_string())).await;
        let decision = Decision { namespace: self.namespace, scopes: ScopeSet::GRANTABLE, own_device: false };
        let approved = self.test.node.approve_code(user_code(&code), self.eve, &neighbour(), decision).await;
        let expected = ticked.intersection(self.allowed());
        assert_eq!(approved.ok(), (!expected.is_empty()).then_some(expected));
        (!expected.is_empty()).then_some((code, expected))
    }

    async fn collect(&mut self, code: &serde_json::Value, approved: ScopeSet) {
        let reply = self.test.poll(code).await;
        let expected = approved.intersection(self.allowed());
        assert_eq!(reply.status.is_success(), !expected.is_empty(), "{:?}", reply.body);
        if !expected.is_empty() {
            assert_eq!(ScopeSet::parse(reply.json()["scope"].as_str().unwrap()).unwrap(), expected);
            let pair = reply.pair();
            let (access, refresh) = (pair.access, pair.refresh);
            let (scopes, granted) = (expected, expected);
            self.tokens.push(Issued { access, refresh, scopes, granted, is_alive: true, is_spent: false });
        }
    }

    async fn take(mut self, step: Step) -> Self {
        let home = self.namespace.to_string();
        match step {
            Step::Make(role) => {
                self.test.node.set_member(&home, "eve", role).await.unwrap();
                self.role = Some(role);
            }
            Step::Remove => {
                let removed = self.test.node.remove_member(&home, "eve").await;
                assert_eq!(removed.ok().map(|was| was.role), self.role.take());
                self.tokens.iter_mut().for_each(|token| token.is_alive = false);
                for (code, _) in std::mem::take(&mut self.waiting) {
                    assert!(!self.test.poll(&code).await.status.is_success());
                }
            }
            Step::SignIn(ticked) => {
                if let Some((code, approved)) = self.approve(&ticked).await {
                    self.collect(&code, approved).await;
                }
            }
            Step::SignInLater(ticked) => {
                let approved = self.approve(&ticked).await;
                self.waiting.extend(approved);
                return self;
            }
            Step::Refresh(at, wanted) => self.refresh(at, wanted).await,
            Step::Reopen => self.test = self.test.reopened().await,
        }
        for (code, approved) in std::mem::take(&mut self.waiting) {
            self.collect(&code, approved).await;
        }
        self
    }

    async fn refresh(&mut self, at: prop::sample::Index, wanted: Option<Vec<Scope>>) {
        let fresh: Vec<usize> = (0..self.tokens.len()).filter(|at| !self.tokens[*at].is_spent).collect();
        if fresh.is_empty() {
            return;
        }
        let at = fresh[at.index(fresh.len())];
        let wanted = wanted.map(|wanted| ScopeSet::of(&wanted).to_string());
        let reply = self.test.refresh_as("bitrouter-cli", &self.tokens[at].refresh, wanted.as_deref()).await;
        if !reply.status.is_success() {
            return;
        }
        assert!(self.tokens[at].is_alive, "a session that was ended was renewed");
        let told = ScopeSet::parse(reply.json()["scope"].as_str().unwrap()).unwrap();
        let granted = self.tokens[at].granted;
        assert!(self.allowed().intersection(granted).is_superset(told), "{told}");
        self.tokens[at].is_spent = true;
        let pair = reply.pair();
        let (access, refresh) = (pair.access, pair.refresh);
        self.tokens.push(Issued { access, refresh, scopes: told, granted, is_alive: true, is_spent: false });
    }

    fn check(&self) {
        for token in &self.tokens {
            let judged = match self.test.node.judge(token.access.as_bytes()) {
                Ok(Caller::Credential(principal)) => Some(principal.scopes),
                _ => None,
            };
            match judged {
                None => {}
                Some(scopes) => {
                    assert!(token.is_alive && self.role.is_some(), "what was taken away came back");
                    assert_eq!(scopes, token.scopes.intersection(self.allowed()));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn p08_present_scopes_never_exceed_the_role_and_what_was_issued(steps in prop::collection::vec(step(), 1..18)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in steps {
                run = run.take(step).await;
                run.check();
            }
        });
    }
}
