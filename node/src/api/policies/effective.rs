//! What is in force for a principal, and what of it is bound to the principal itself.

use std::{collections::HashMap, time::Duration};

use bitrouter_proto::account::{
    List, MicroUsd,
    policy::{Effective, Funding, Origin, Policy, PrincipalType, Window},
};

use super::{change::spec_of, shown};
use crate::{
    clock::Moment,
    http::{
        Call,
        error::{ApiError, Code},
        query::Query,
    },
    policy::{Bound, Combined, PrincipalId},
    principals::{self, chain_of},
    store::{
        PolicyRow, Read,
        ledger::{self, Spent},
    },
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
    let mut effective = Combined::all(&bound).shown();
    let mut spending = Spending { call: &call, read, known: HashMap::new() };
    for budget in &mut effective.budgets {
        let (window, funding) = (budget.spec.window, budget.spec.funding.unwrap_or(Funding::Any));
        let spent = spending.of(&budget.origin, window, funding).await?;
        budget.spent_micro_usd = MicroUsd::new(spent.sum);
        let leaves = length(window).zip(spent.oldest).map(|(length, oldest)| oldest.after(length));
        budget.resets_at = leaves.map(|at| at.to_string());
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

/// How long a window reaches back.
fn length(window: Window) -> Option<Duration> {
    match window {
        Window::Day => Some(Duration::from_hours(24)),
        Window::Month => Some(Duration::from_hours(30 * 24)),
        Window::Total => None,
    }
}

/// What was spent, asked for once for each principal, window and way to count.
struct Spending<'c> {
    call: &'c Call,
    read: Read,
    known: HashMap<(PrincipalType, String, Window, Funding), Spent>,
}

impl Spending<'_> {
    async fn of(&mut self, origin: &Origin, window: Window, funding: Funding) -> Result<Spent, ApiError> {
        let asked = (origin.principal_type, origin.principal_id.clone(), window, funding);
        if let Some(spent) = self.known.get(&asked) {
            return Ok(*spent);
        }
        let Some(principal) = PrincipalId::parse(origin.principal_type, &origin.principal_id) else {
            return Ok(Spent::default());
        };
        let now = self.call.node.clock.wall();
        // What lies ahead of a clock that was set back counts as admitted now.
        let end = ledger::last_admitted(&mut self.read).await?.max(now);
        let millisecond = Duration::from_millis(1);
        let from = length(window).map_or(Moment::from_millis(0), |length| now.before(length).after(millisecond));
        let time = ledger::Window { from, to: end.after(millisecond) };
        let namespace = self.call.granted.namespace()?;
        let spent = ledger::spent(&mut self.read, namespace, principal, funding, time).await?;
        self.known.insert(asked, spent);
        Ok(spent)
    }
}
