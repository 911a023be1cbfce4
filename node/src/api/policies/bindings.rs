//! What a policy is bound to.

use bitrouter_proto::account::{BindingId, List, policy::Binding};
use serde::Serialize;

use super::{
    change::{commit_binding, found},
    leased, own, patterns,
};
use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::{Claim, Made},
        members::Members,
    },
    principals,
    secret::random_ulid,
    store::BindingRow,
};

/// The most policies that are bound to one principal.
const MOST: usize = 64;

/// What was bound.
#[derive(Debug, Serialize)]
pub(in crate::api) struct Bound {
    binding_id: BindingId,
}

/// What was unbound.
#[derive(Debug, Serialize)]
pub(in crate::api) struct Unbound {
    unbound: bool,
}

/// Binds the policy of the path to a principal of the namespace; what is bound already stays as it is.
pub(in crate::api) async fn bind(call: Call) -> Result<Made<Bound>, ApiError> {
    let mut members = Members::read(&call.body)?;
    let (kind, id) = (members.text("principal_type")?, members.text("principal_id")?);
    members.end()?;
    let node = &call.node;
    let mut write = node.store.write().await?;
    let policy = found(&call, &mut write).await?;
    let principal = principals::find(node, &mut write, policy.namespace, &kind, &id).await?;
    let free = match Claim::of(&call, &mut write).await? {
        Claim::Free(free) => free,
        Claim::Used(used) => {
            let is_there = match used.resource() {
                Some(id) => BindingRow::find(&mut write, policy.id, id).await?.is_some(),
                None => false,
            };
            return used.replayed(is_there, "unbound");
        }
    };
    let bound = BindingRow::of_principal(&mut write, policy.namespace, principal).await?;
    let known = bound.iter().find(|binding| binding.policy == policy.id).cloned();
    let is_new = known.is_none();
    let now = node.clock.wall();
    let binding = match known {
        Some(binding) => binding,
        None => {
            if bound.len() >= MOST {
                let message = format!("at most {MOST} policies are bound to one principal");
                return Err(ApiError::new(Code::Conflict, message));
            }
            let all = BindingRow::of_policy(&mut write, policy.id).await?;
            patterns::check(&mut write, &policy, policy.content_patterns, &all, Some(principal)).await?;
            let binding = BindingRow {
                id: BindingId::new(random_ulid(now)),
                policy: policy.id,
                namespace: policy.namespace,
                principal_type: principal.kind(),
                principal_id: principal.to_string(),
            };
            binding.insert(&mut write, now).await?;
            binding
        }
    };
    let made = Bound { binding_id: binding.id };
    let has_claim = free.is_some();
    if let Some(free) = free {
        free.keep(&mut write, &binding.id.to_string(), Some(&made)).await?;
    }
    if is_new || has_claim {
        let in_force = if policy.disabled_at.is_none() { std::slice::from_ref(&binding) } else { &[] };
        commit_binding(node, write, in_force).await?;
    }
    Ok(Made::New(made))
}

/// Unbinds it.
pub(in crate::api) async fn unbind(call: Call) -> Result<Unbound, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such binding");
    let mut write = call.node.store.write().await?;
    let policy = found(&call, &mut write).await?;
    let id = call.granted.binding.ok_or_else(absent)?;
    let binding = BindingRow::find(&mut write, policy.id, id).await?.ok_or_else(absent)?;
    own::check(&call, &mut write, std::slice::from_ref(&binding)).await?;
    leased::check(&call.node, policy.id)?;
    BindingRow::delete(&mut write, binding.id).await?;
    write.commit().await?;
    call.node.look_at_policies().await;
    Ok(Unbound { unbound: true })
}

/// What it is bound to, the oldest binding first.
pub(in crate::api) async fn list(call: Call) -> Result<List<Binding>, ApiError> {
    let mut read = call.node.store.read().await?;
    let policy = found(&call, &mut read).await?;
    let rows = BindingRow::of_policy(&mut read, policy.id).await?.into_iter();
    let shown = |row: BindingRow| Binding {
        id: row.id,
        policy_id: row.policy,
        principal_type: row.principal_type,
        principal_id: row.principal_id,
    };
    Ok(List { data: rows.map(shown).collect() })
}
