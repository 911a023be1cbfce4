//! `/v1/namespaces/{nsid}/policies`: rules, kept and shown. [`change`] makes, changes and deletes them, [`bindings`] says what
//! they bind, [`effective`] what comes of them together; [`own`] keeps whoever is bound by one from taking it off, [`patterns`]
//! counts what is looked for in texts.

mod bindings;
pub(super) mod change;
mod effective;
mod leased;
mod own;
mod patterns;

use bitrouter_proto::account::{
    List, Name, NameError,
    policy::{Policy, PolicyKind},
};

pub(super) use self::{
    bindings::{bind, list as bindings, unbind},
    change::{delete, disable, enable},
    effective::{PARAMETERS as EFFECTIVE, effective, for_principal},
};
use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::Made,
        members::Members,
        query::Query,
    },
    policy::{Path, Spec, SpecError},
    store::{PolicyRow, StoreError},
};

/// The parameters of the list.
pub(super) const LIST: &[&str] = &["kind"];

/// Where what a policy says stands in a body.
const SPEC: Path<'static> = Path::Member(&Path::Body, "spec");

/// All of the namespace, the oldest first; with `kind` those of one kind.
pub(super) async fn list(call: Call) -> Result<List<Policy>, ApiError> {
    let query = Query::read(call.head.uri.query(), call.endpoint.parameters)?;
    let kind = query.text("kind").map(kind).transpose()?;
    let rows = PolicyRow::list(&mut call.node.store.read().await?, call.granted.namespace()?, kind).await?;
    Ok(List { data: rows.into_iter().map(shown).collect::<Result<_, _>>()? })
}

/// Makes one.
pub(super) async fn create(call: Call) -> Result<Made<Policy>, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = name(&members.text("name")?)?;
    let kind = kind(&members.text("kind")?)?;
    let spec = members.value("spec");
    members.end()?;
    let spec = spec.ok_or_else(|| ApiError::new(Code::BadRequest, "`spec` is missing").about("spec"))?;
    change::create(&call, kind, &name, &Spec::read(kind, spec, SPEC)?, shown).await
}

/// One of them.
pub(super) async fn show(call: Call) -> Result<Policy, ApiError> {
    shown(change::found(&call, &mut call.node.store.read().await?).await?)
}

/// Changes its name, and what it says as a whole.
pub(super) async fn update(call: Call) -> Result<Policy, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = members.optional_text("name")?.as_deref().map(name).transpose()?;
    let spec = members.value("spec");
    members.end()?;
    let read = |row: &PolicyRow| Ok(spec.map(|spec| Spec::read(row.kind, spec, SPEC)).transpose()?);
    change::update(&call, name, read, shown).await
}

/// A policy as it is shown.
fn shown(row: PolicyRow) -> Result<Policy, ApiError> {
    Ok(Policy {
        id: row.id,
        name: row.name,
        kind: row.kind,
        spec: serde_json::from_str(&row.spec).map_err(|_| StoreError::Unreadable("spec"))?,
        disabled_at: row.disabled_at.map(|at| at.to_string()),
    })
}

/// What a policy may be called.
pub(super) fn name(text: &str) -> Result<Name, ApiError> {
    text.parse().map_err(|error: NameError| ApiError::new(Code::BadRequest, error.to_string()).about("name"))
}

fn kind(text: &str) -> Result<PolicyKind, ApiError> {
    PolicyKind::parse(text).ok_or_else(|| {
        let words: Vec<String> = PolicyKind::ALL.iter().map(|kind| format!("`{kind}`")).collect();
        ApiError::new(Code::BadRequest, format!("`kind` must be one of {}", words.join(", "))).about("kind")
    })
}

impl From<SpecError> for ApiError {
    fn from(error: SpecError) -> Self {
        let code = if error.is_limit { Code::Conflict } else { Code::BadRequest };
        let refusal = Self::new(code, error.message);
        if error.field.is_empty() { refusal } else { refusal.about(error.field) }
    }
}
