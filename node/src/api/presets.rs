//! `/v1/namespaces/{nsid}/presets`: policies of that kind, flat.

use bitrouter_proto::account::{
    List,
    policy::{PolicyKind, Preset},
};
use serde_json::Value;

use super::policies::{change, name};
use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::Made,
        members::Members,
    },
    policy::{Path, Spec},
    store::{PolicyRow, StoreError},
};

/// The clauses, each with the flag that drops it.
const CLAUSES: [(&str, &str); 3] =
    [("guardrail", "clear_guardrail"), ("budget", "clear_budget"), ("rate_limit", "clear_rate_limit")];

/// All of the namespace, the oldest first.
pub(super) async fn list(call: Call) -> Result<List<Preset>, ApiError> {
    let (mut read, kind) = (call.node.store.read().await?, Some(PolicyKind::Preset));
    let rows = PolicyRow::list(&mut read, call.granted.namespace()?, kind).await?;
    Ok(List { data: rows.into_iter().map(shown).collect::<Result<_, _>>()? })
}

/// Makes one.
pub(super) async fn create(call: Call) -> Result<Made<Preset>, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = name(&members.text("name")?)?;
    let spec = Spec::read(PolicyKind::Preset, members.into_value(), Path::Body)?;
    change::create(&call, PolicyKind::Preset, &name, &spec, shown).await
}

/// One of them.
pub(super) async fn show(call: Call) -> Result<Preset, ApiError> {
    shown(change::found(&call, &mut call.node.store.read().await?).await?)
}

/// What becomes of a clause.
enum Change {
    Stays,
    Goes,
    Is(Value),
}

/// Changes or drops clauses; the rest stays.
pub(super) async fn update(call: Call) -> Result<Preset, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = members.optional_text("name")?.as_deref().map(name).transpose()?;
    let mut changes = Vec::new();
    for (clause, clear) in CLAUSES {
        changes.push((
            clause,
            match (members.value(clause), members.flag(clear)?) {
                (Some(_), true) => {
                    let message = format!("`{clear}` does not go with `{clause}`");
                    return Err(ApiError::new(Code::BadRequest, message).about(clear));
                }
                (Some(value), false) => Change::Is(value),
                (None, true) => Change::Goes,
                (None, false) => Change::Stays,
            },
        ));
    }
    members.end()?;
    let read = |row: &PolicyRow| {
        if changes.iter().all(|(_, change)| matches!(change, Change::Stays)) {
            return Ok(None);
        }
        let mut spec: Value = serde_json::from_str(&row.spec).map_err(|_| StoreError::Unreadable("spec"))?;
        for (clause, change) in changes {
            match change {
                Change::Stays => {}
                Change::Goes => spec[clause] = Value::Null,
                Change::Is(value) => spec[clause] = value,
            }
        }
        Ok(Some(Spec::read(PolicyKind::Preset, spec, Path::Body)?))
    };
    change::update(&call, name, read, shown).await
}

fn shown(row: PolicyRow) -> Result<Preset, ApiError> {
    Ok(Preset {
        id: row.id,
        spec: serde_json::from_str(&row.spec).map_err(|_| StoreError::Unreadable("spec"))?,
        name: row.name,
        disabled_at: row.disabled_at.map(|at| at.to_string()),
    })
}
