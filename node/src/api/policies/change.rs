//! Policies are made, changed and deleted: the one way for all of their views.

use std::sync::Arc;

use bitrouter_proto::account::{Name, PolicyId, policy::PolicyKind};
use serde::Serialize;

use super::{super::namespaces::Deleted, leased, own, patterns};
use crate::{
    Node,
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::{Claim, Made},
        members::Members,
    },
    policy::{MOST_POLICIES, Spec, loosen::is_looser},
    secret::random_ulid,
    store::{BindingRow, PolicyRow, Queryable, StoreError},
};

/// Whether a policy acts.
#[derive(Debug, Serialize)]
pub(in crate::api) struct Disabled {
    disabled: bool,
}

/// The policy of the path.
///
/// # Errors
/// 404 where it is gone.
pub(in crate::api) async fn found(call: &Call, on: &mut impl Queryable) -> Result<PolicyRow, ApiError> {
    let absent = || ApiError::new(Code::NotFound, "there is no such policy");
    let (namespace, id) = (call.granted.namespace()?, call.granted.policy.ok_or_else(absent)?);
    PolicyRow::find(on, namespace, id).await?.ok_or_else(absent)
}

/// What the policy of a row says.
///
/// # Errors
/// Where the database holds something else.
pub(in crate::api) fn spec_of(row: &PolicyRow) -> Result<Spec, ApiError> {
    Ok(Spec::stored(row.kind, &row.spec).map_err(|_| StoreError::Unreadable("spec"))?)
}

/// Makes a policy, and answers it as `shown` has it.
pub(in crate::api) async fn create<T: Serialize>(
    call: &Call,
    kind: PolicyKind,
    name: &Name,
    spec: &Spec,
    shown: impl Fn(PolicyRow) -> Result<T, ApiError>,
) -> Result<Made<T>, ApiError> {
    let (node, namespace) = (&call.node, call.granted.namespace()?);
    let mut write = node.store.write().await?;
    let free = match Claim::of(call, &mut write).await? {
        Claim::Free(free) => free,
        Claim::Used(used) => {
            let is_there = match used.resource() {
                Some(id) => PolicyRow::find(&mut write, namespace, id).await?.is_some(),
                None => false,
            };
            return used.replayed(is_there, "deleted");
        }
    };
    if PolicyRow::count(&mut write, namespace).await? >= MOST_POLICIES {
        return Err(ApiError::new(Code::Conflict, format!("a namespace has at most {MOST_POLICIES} policies")));
    }
    let now = node.clock.wall();
    let row = PolicyRow {
        id: PolicyId::new(random_ulid(now)),
        namespace,
        name: name.as_str().to_owned(),
        kind,
        spec: written(spec)?,
        content_patterns: patterns::count(spec),
        created_at: now,
        updated_at: now,
        disabled_at: None,
    };
    row.insert(&mut write).await?;
    let id = row.id.to_string();
    let made = shown(row)?;
    if let Some(free) = free {
        free.keep(&mut write, &id, Some(&made)).await?;
    }
    write.commit().await?;
    Ok(Made::New(made))
}

/// Changes the policy of the path; `spec` reads what it says from now on, where that changes.
pub(in crate::api) async fn update<T>(
    call: &Call,
    name: Option<Name>,
    spec: impl FnOnce(&PolicyRow) -> Result<Option<Spec>, ApiError> + Send,
    shown: impl Fn(PolicyRow) -> Result<T, ApiError> + Send,
) -> Result<T, ApiError> {
    let mut write = call.node.store.write().await?;
    let mut row = found(call, &mut write).await?;
    if let Some(name) = name {
        name.as_str().clone_into(&mut row.name);
    }
    if let Some(spec) = spec(&row)? {
        let bindings = BindingRow::of_policy(&mut write, row.id).await?;
        if is_looser(&spec_of(&row)?, &spec) {
            own::check(call, &mut write, &bindings).await?;
            leased::check(&call.node, row.id)?;
        }
        let more = patterns::count(&spec);
        if more > row.content_patterns {
            patterns::check(&mut write, &row, more, &bindings, None).await?;
        }
        (row.spec, row.content_patterns) = (written(&spec)?, more);
    }
    row.updated_at = call.node.clock.wall();
    row.update(&mut write).await?;
    write.commit().await?;
    call.node.look_at_policies().await;
    shown(row)
}

fn written(spec: &Spec) -> Result<String, ApiError> {
    let value = spec.to_value().map_err(|_| ApiError::new(Code::Internal, "the policy cannot be written"))?;
    Ok(value.to_string())
}

/// Deletes it, with its bindings.
pub(in crate::api) async fn delete(call: Call) -> Result<Deleted, ApiError> {
    let mut write = call.node.store.write().await?;
    let row = found(&call, &mut write).await?;
    let bindings = BindingRow::of_policy(&mut write, row.id).await?;
    own::check(&call, &mut write, &bindings).await?;
    leased::check(&call.node, row.id)?;
    PolicyRow::delete(&mut write, row.id).await?;
    write.commit().await?;
    call.node.look_at_policies().await;
    Ok(Deleted::YES)
}

/// Has it act no more.
pub(in crate::api) async fn disable(call: Call) -> Result<Disabled, ApiError> {
    Members::read(&call.body)?.end()?;
    let mut write = call.node.store.write().await?;
    let mut row = found(&call, &mut write).await?;
    if row.disabled_at.is_none() {
        let bindings = BindingRow::of_policy(&mut write, row.id).await?;
        own::check(&call, &mut write, &bindings).await?;
        leased::check(&call.node, row.id)?;
        row.disabled_at = Some(call.node.clock.wall());
        row.update(&mut write).await?;
        write.commit().await?;
        call.node.look_at_policies().await;
    }
    Ok(Disabled { disabled: true })
}

/// Has it act again.
pub(in crate::api) async fn enable(call: Call) -> Result<Disabled, ApiError> {
    Members::read(&call.body)?.end()?;
    let mut write = call.node.store.write().await?;
    let mut row = found(&call, &mut write).await?;
    if row.disabled_at.is_some() {
        row.disabled_at = None;
        row.update(&mut write).await?;
        let bindings = BindingRow::of_policy(&mut write, row.id).await?;
        commit_binding(&call.node, write, &bindings).await?;
    }
    Ok(Disabled { disabled: false })
}

/// Commits what puts a policy in force by `bindings`. The mark that calls without a credential are bound goes before it.
pub(super) async fn commit_binding(
    node: &Arc<Node>,
    write: crate::store::Write,
    bindings: &[BindingRow],
) -> Result<(), ApiError> {
    if bindings.iter().any(|binding| own::binds_keyless(node, binding)) {
        node.will_bind_keyless();
    }
    let done = write.commit().await;
    node.look_at_policies().await;
    Ok(done?)
}
