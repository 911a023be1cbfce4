//! What is in force for somebody's calls, without a call: for whoever wants to know what would become of one.

use std::sync::Arc;

use bitrouter_gateway::{
    http::{Caller, Principal},
    ports::Plan,
};
use bitrouter_proto::account::{
    NamespaceId, PersonId, Scope, ScopeSet,
    policy::{Origin, PolicyKind, PrincipalType},
};

use crate::{
    Node,
    people::namespaces::{self, NamespaceError},
    policy::{Bound, PrincipalId},
    principals::{chain_of, is_there},
    store::{GrantRow, StoreError},
};

/// What is in force for the calls of somebody.
#[derive(Debug)]
pub struct InForce {
    /// What binds them, as it is now.
    pub plan: Plan,
    /// Somebody whose calls are paid for as theirs are.
    pub caller: Caller,
    /// The policies, each as often as it is bound, the namespace's first.
    pub policies: Vec<PolicyInForce>,
    /// False where they may not call models at all: what they were given, or their role, does not hold `inference:invoke`.
    pub may_call: bool,
}

/// A policy that acts on calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInForce {
    /// The policy, and what it is bound to.
    pub origin: Origin,
    /// What it is.
    pub kind: PolicyKind,
    /// It refuses streams.
    pub refuses_streams: bool,
    /// It judges what calls and replies say.
    pub judges_content: bool,
}

/// Why nobody can say what is in force.
#[derive(Debug, thiserror::Error)]
pub enum InForceError {
    /// There is nothing of this kind that is called so in a namespace of the node's owner.
    #[error("there is no {0} `{1}`")]
    Absent(PrincipalType, String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who calls, as far as policies are concerned.
struct Calls {
    namespace: NamespaceId,
    chain: Vec<PrincipalId>,
    may_call: bool,
}

impl Node {
    /// What is in force for calls without a credential.
    pub fn in_force_keyless(&self) -> InForce {
        let namespace = self.first_namespace();
        self.in_force_of(Caller::Keyless { namespace: Some(namespace) }, namespace)
    }

    /// The same for calls with this credential.
    pub fn in_force_for(&self, principal: Principal) -> InForce {
        self.in_force_of(Caller::Credential(principal), principal.namespace)
    }

    fn in_force_of(&self, caller: Caller, namespace: NamespaceId) -> InForce {
        let chain = self.enforcement.chain(caller, namespace);
        self.in_force_on(&Calls { namespace, chain, may_call: may_call(caller) })
    }

    /// The same for what `kind` and `id` name, by its id or for a namespace by its name too, in the namespaces of the node's
    /// owner: of several in the first one.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn in_force(&self, kind: PrincipalType, id: &str) -> Result<InForce, InForceError> {
        let absent = || InForceError::Absent(kind, id.chars().take(128).collect());
        let owner = self.owner();
        let named = |error| match error {
            NamespaceError::Store(error) => InForceError::Store(error),
            _ => absent(),
        };
        if kind == PrincipalType::Namespace {
            let namespace = namespaces::find(self, owner, id).await.map_err(named)?.id;
            let chain = vec![PrincipalId::Namespace(namespace)];
            return Ok(self.in_force_on(&Calls { namespace, chain, may_call: true }));
        }
        let principal = PrincipalId::parse(kind, id).ok_or_else(absent)?;
        let mut all = namespaces::list(self, owner).await.map_err(named)?;
        all.sort_by_key(|row| row.id != self.first_namespace());
        for row in all {
            if let Some(calls) = self.calls_of(row.id, principal).await? {
                return Ok(self.in_force_on(&calls));
            }
        }
        Err(absent())
    }

    /// The calls of `principal` in `namespace`; `None` where it is not there.
    async fn calls_of(&self, namespace: NamespaceId, principal: PrincipalId) -> Result<Option<Calls>, StoreError> {
        let mut read = self.store.read().await?;
        if !is_there(self, &mut read, namespace, principal).await? {
            return Ok(None);
        }
        if let PrincipalId::ApiKey(key) = principal {
            // As its calls are judged: what is revoked leaves the memory first.
            let Ok(caller) = self.keys.holder(key, &self.roles) else { return Ok(None) };
            let chain = self.enforcement.chain(caller, namespace);
            return Ok(Some(Calls { namespace, chain, may_call: may_call(caller) }));
        }
        let chain = chain_of(&mut read, namespace, principal).await?;
        let given = match principal {
            PrincipalId::OauthToken(grant) => GrantRow::find(&mut read, grant).await?.map(|found| found.row.scopes),
            _ => None,
        };
        let person = chain.iter().find_map(|one| match one {
            PrincipalId::User(person) => Some(*person),
            _ => None,
        });
        let may_call = self.may_call_in(namespace, person, given);
        Ok(Some(Calls { namespace, chain, may_call }))
    }

    fn may_call_in(&self, namespace: NamespaceId, person: Option<PersonId>, given: Option<ScopeSet>) -> bool {
        let role = person.and_then(|person| self.roles.of(person, namespace));
        let invokes = |scopes: ScopeSet| scopes.contains(Scope::InferenceInvoke);
        given.is_none_or(invokes) && role.is_none_or(|role| invokes(role.scopes()))
    }

    fn in_force_on(&self, calls: &Calls) -> InForce {
        let generation = self.enforcement.generation();
        let rulebook = self.enforcement.book().rulebook_of(calls.namespace, &calls.chain);
        let shown = |bound: &Arc<Bound>| PolicyInForce {
            origin: bound.origin.clone(),
            kind: bound.spec.kind(),
            refuses_streams: bound.spec.refuses_streams(),
            judges_content: bound.spec.content_patterns() > 0,
        };
        let policies = rulebook.iter().flat_map(|book| &book.all).map(shown).collect();
        let plan = self.ledger.plan_by(generation, calls.namespace, rulebook);
        let caller = Caller::Keyless { namespace: Some(calls.namespace) };
        InForce { plan, caller, policies, may_call: calls.may_call }
    }
}

fn may_call(caller: Caller) -> bool {
    match caller {
        Caller::Credential(principal) => principal.scopes.contains(Scope::InferenceInvoke),
        Caller::Keyless { .. } => true,
        Caller::Operator(_) | Caller::Anyone => false,
    }
}
