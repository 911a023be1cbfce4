//! `/v1/namespaces/{nsid}/budgets`: policies of that kind, flat.

use bitrouter_proto::account::{
    List,
    policy::{Budget, PolicyKind},
};
use serde_json::Value;

use super::policies::{change, name};
use crate::{
    http::{Call, error::ApiError, idempotency::Made, members::Members},
    policy::{Path, Spec},
    store::{PolicyRow, StoreError},
};

/// The members of what a budget says.
const MEMBERS: [&str; 3] = ["window", "limit_micro_usd", "funding"];

/// All of the namespace, the oldest first.
pub(super) async fn list(call: Call) -> Result<List<Budget>, ApiError> {
    let (mut read, kind) = (call.node.store.read().await?, Some(PolicyKind::Budget));
    let rows = PolicyRow::list(&mut read, call.granted.namespace()?, kind).await?;
    Ok(List { data: rows.into_iter().map(shown).collect::<Result<_, _>>()? })
}

/// Makes one.
pub(super) async fn create(call: Call) -> Result<Made<Budget>, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = name(&members.text("name")?)?;
    let spec = Spec::read(PolicyKind::Budget, members.into_value(), Path::Body)?;
    change::create(&call, PolicyKind::Budget, &name, &spec, shown).await
}

/// One of them.
pub(super) async fn show(call: Call) -> Result<Budget, ApiError> {
    shown(change::found(&call, &mut call.node.store.read().await?).await?)
}

/// Changes what is said of it; the rest stays.
pub(super) async fn update(call: Call) -> Result<Budget, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = members.optional_text("name")?.as_deref().map(name).transpose()?;
    let changed = MEMBERS.map(|member| members.value(member));
    members.end()?;
    let read = |row: &PolicyRow| {
        if changed.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut spec: Value = serde_json::from_str(&row.spec).map_err(|_| StoreError::Unreadable("spec"))?;
        for (member, value) in MEMBERS.into_iter().zip(changed) {
            if let Some(value) = value {
                spec[member] = value;
            }
        }
        Ok(Some(Spec::read(PolicyKind::Budget, spec, Path::Body)?))
    };
    change::update(&call, name, read, shown).await
}

fn shown(row: PolicyRow) -> Result<Budget, ApiError> {
    Ok(Budget {
        id: row.id,
        spec: serde_json::from_str(&row.spec).map_err(|_| StoreError::Unreadable("spec"))?,
        name: row.name,
        disabled_at: row.disabled_at.map(|at| at.to_string()),
    })
}
