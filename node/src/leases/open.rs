//! A lease is opened: its key, its policies and their bindings are one transaction, and the key is told only once calls go by
//! those policies.

use std::{sync::Arc, time::Duration};

use bitrouter_proto::account::{
    BindingId, KeyId, MicroUsd, Name, NamespaceId, PolicyId, Scope, ScopeSet, policy::PolicyKind,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    LeaseError, LeaseHold,
    held::{Claimed, IsGone},
};
use crate::{
    Node,
    clock::Moment,
    keys::{KeyError, Minter, Wanted, mint},
    policy::{MOST_POLICIES, Path, PrincipalId, Spec},
    secret::{TokenHash, random_secret, random_ulid},
    store::{BindingRow, LeaseRow, PolicyRow, StoreError, Write},
};

/// What a key of a run may do.
const SCOPES: ScopeSet = ScopeSet::of(&[Scope::InferenceInvoke]);
/// The longest that a lease lasts.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// What a lease is to be.
#[derive(Clone, Debug)]
pub struct NewLease {
    /// What its key and its policies are to be called.
    pub name: String,
    /// Where its calls are made: in a namespace of the node's owner.
    pub namespace: NamespaceId,
    /// What they may cost in all.
    pub budget: Option<MicroUsd>,
    /// Patterns of the models that may be called; none: every model.
    pub models: Vec<String>,
    /// When it ends by itself.
    pub lasts: Duration,
}

/// A lease that was opened: what is told once.
#[derive(Debug)]
pub struct OpenedLease {
    /// The id of its key, which is its own.
    pub id: KeyId,
    /// Its key.
    pub key: SecretString,
    /// What claims it again, and ends it.
    pub claim: SecretString,
    /// When it ends by itself.
    pub expires_at: Moment,
}

impl Node {
    /// Opens a lease and holds it. `is_gone` says whether whoever holds it is gone for good.
    ///
    /// # Errors
    /// See [`LeaseError`]; nothing of it is left then.
    pub async fn open_lease(
        self: &Arc<Self>,
        new: NewLease,
        is_gone: IsGone,
    ) -> Result<(OpenedLease, LeaseHold), LeaseError> {
        let name: Name = new.name.parse()?;
        if new.lasts < Duration::from_secs(1) || new.lasts > LONGEST {
            return Err(LeaseError::Lasts);
        }
        let limit = |limit: MicroUsd| json!({ "window": "total", "limit_micro_usd": limit });
        let budget = new.budget.map(|budget| spec(PolicyKind::Budget, limit(budget))).transpose()?;
        let allowed = (!new.models.is_empty()).then(|| json!({ "model_allow": new.models }));
        let models = allowed.map(|allowed| spec(PolicyKind::Guardrail, allowed)).transpose()?;

        let person = self.owner();
        let mut write = self.store.write().await?;
        let now = self.clock.wall();
        let role = self.roles.of(person, new.namespace).ok_or(KeyError::MinterEnded)?;
        let owner = Minter { person, namespace: new.namespace, scopes: role.scopes(), credential: None };
        let wanted = Wanted { name: name.clone(), scopes: SCOPES, expires_at: Some(now.after(new.lasts)) };
        let minted = mint(self, &mut write, &owner, wanted).await?;
        let count = i64::from(budget.is_some()) + i64::from(models.is_some());
        if PolicyRow::count(&mut write, new.namespace).await? + count > MOST_POLICIES {
            return Err(LeaseError::TooManyPolicies);
        }
        let id = minted.row.id;
        let budget = self.bind_new(&mut write, &new, &name, id, budget).await?;
        let models = self.bind_new(&mut write, &new, &name, id, models).await?;
        let claim = random_secret();
        let row = LeaseRow {
            key: id,
            namespace: new.namespace,
            claim: hash(&claim),
            budget,
            models,
            refused: std::collections::BTreeMap::new(),
            created_at: now,
            ended_at: None,
        };
        row.insert(&mut write).await?;

        let grace = self.settings.load().lease_grace;
        // Before the key: whoever revokes it finds the run.
        self.keys.begin_run(id, self.leases.add(&row, grace));
        if let Err(error) = self.commit_key(write, &minted.row).await {
            self.keys.forget_run(id);
            self.leases.take_back(id);
            return Err(error.into());
        }
        let hold = match self.leases.hold(id, row.claim, grace, is_gone) {
            Claimed::Held(hold) => hold,
            Claimed::Ends | Claimed::Unknown => return Err(LeaseError::Over),
        };
        // Until then nobody knows the key.
        if count > 0 && !self.look().await {
            self.finish_lease(id).await?;
            return Err(LeaseError::NotInForce);
        }
        let expires_at = minted.row.expires_at.unwrap_or(now);
        let key = minted.token.text().clone();
        Ok((OpenedLease { id, key, claim, expires_at }, hold))
    }

    /// Holds a lease that was opened before, whoever holds it now.
    ///
    /// # Errors
    /// [`LeaseError::Absent`] and [`LeaseError::Over`].
    pub async fn claim_lease(&self, id: KeyId, claim: &SecretString, is_gone: IsGone) -> Result<LeaseHold, LeaseError> {
        match self.leases.hold(id, hash(claim), self.settings.load().lease_grace, is_gone) {
            Claimed::Held(hold) => Ok(hold),
            Claimed::Ends => Err(LeaseError::Over),
            Claimed::Unknown => {
                let row = LeaseRow::find(&mut self.store.read().await?, id).await?;
                row.filter(|row| row.claim == hash(claim)).ok_or(LeaseError::Absent)?;
                Err(LeaseError::Over)
            }
        }
    }

    /// Writes a policy that binds the key alone.
    async fn bind_new(
        &self,
        write: &mut Write,
        new: &NewLease,
        name: &Name,
        key: KeyId,
        spec: Option<Spec>,
    ) -> Result<Option<PolicyId>, LeaseError> {
        let Some(spec) = spec else { return Ok(None) };
        let now = self.clock.wall();
        let written = spec.to_value().map_err(|_| StoreError::Unreadable("spec"))?;
        let policy = PolicyRow {
            id: PolicyId::new(random_ulid(now)),
            namespace: new.namespace,
            name: name.as_str().to_owned(),
            kind: spec.kind(),
            spec: written.to_string(),
            content_patterns: 0,
            created_at: now,
            updated_at: now,
            disabled_at: None,
        };
        policy.insert(write).await?;
        let principal = PrincipalId::ApiKey(key);
        let binding = BindingRow {
            id: BindingId::new(random_ulid(now)),
            policy: policy.id,
            namespace: new.namespace,
            principal_type: principal.kind(),
            principal_id: principal.to_string(),
        };
        binding.insert(write, now).await?;
        Ok(Some(policy.id))
    }
}

/// What a policy says, checked as if somebody had sent it.
fn spec(kind: PolicyKind, value: Value) -> Result<Spec, LeaseError> {
    Ok(Spec::read(kind, value, Path::Member(&Path::Body, "spec"))?)
}

/// Of what whoever runs the program shows.
pub(super) fn hash(claim: &SecretString) -> TokenHash {
    TokenHash::of(secrecy::ExposeSecret::expose_secret(claim).as_bytes())
}
