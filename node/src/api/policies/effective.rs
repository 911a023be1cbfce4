//! What is in force for a principal, and what of it is bound to the principal itself.

use bitrouter_proto::account::{
    List,
    policy::{Effective, Funding, Origin, Policy},
};

use super::{change::spec_of, shown};
use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        query::Query,
    },
    limits::BudgetKey,
    policy::{Bound, Combined, PrincipalId},
    principals::{self, chain_of},
    store::PolicyRow,
};

/// The parameters of [`effective`].
pub(in crate::api) const PARAMETERS: &[&str] = &["principal_type", "principal_id"];

/// What all policies say together that bind a principal: its own, and those of everything above it.
pub(in crate::api) async fn effective(call: Call) -> Result<Effective, ApiError> {
    let query = Query::read(call.head.uri.query(), call.endpoint.parameters)?;
    let needed = |name: &'static str| {
        let missing = || ApiError::new(Code::BadRequest, format!("`{name}` is missing")).about(name);
        query.text(name).ok_or_else(missing)
    };
    let (kind, id) = (needed("principal_type")?, needed("principal_id")?);
    let namespace = call.granted.namespace()?;
    let mut read = call.node.store.read().await?;
    let principal = principals::find(&call.node, &mut read, namespace, kind, id).await?;
    let mut bound = Vec::new();
    for above in chain_of(&mut read, namespace, principal).await? {
        for row in PolicyRow::bound_to(&mut read, namespace, above).await? {
            bound.push(bound_to(&row, above)?);
        }
    }
    drop(read);
    let mut effective = Combined::all(&bound).shown();
    let enforcement = &call.node.enforcement;
    for budget in &mut effective.budgets {
        let origin = &budget.origin;
        let Some(principal) = PrincipalId::parse(origin.principal_type, &origin.principal_id) else { continue };
        let (window, funding) = (budget.spec.window, budget.spec.funding.unwrap_or(Funding::Any));
        // What calls are judged by, not a reckoning of its own.
        let counter = BudgetKey { namespace, principal, window, funding };
        let Some(shown) = enforcement.limits.show(&counter, enforcement.now()) else { continue };
        (budget.spent_micro_usd, budget.reserved_micro_usd) = (shown.spent, shown.reserved);
        budget.resets_at = shown.resets_at.map(|at| enforcement.by_wall(at).to_string());
    }
    Ok(effective)
}

/// The policies that are bound to the principal of the path itself.
pub(in crate::api) async fn for_principal(call: Call) -> Result<List<Policy>, ApiError> {
    let principal = call.granted.principal.ok_or_else(principals::unknown_kind)?;
    let namespace = call.granted.namespace()?;
    let rows = PolicyRow::bound_to(&mut call.node.store.read().await?, namespace, principal).await?;
    Ok(List { data: rows.into_iter().map(shown).collect::<Result<_, _>>()? })
}

fn bound_to(row: &PolicyRow, principal: PrincipalId) -> Result<Bound, ApiError> {
    let origin = Origin {
        policy_id: row.id,
        name: row.name.clone(),
        principal_type: principal.kind(),
        principal_id: principal.to_string(),
    };
    Ok(Bound { origin, spec: spec_of(row)?, is_enabled: row.disabled_at.is_none() })
}
