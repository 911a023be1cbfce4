//! How many content patterns are in force for anybody: each text is looked through for all of them.

use std::collections::{HashMap, HashSet};

use bitrouter_proto::account::{PolicyId, policy::PrincipalType};

use crate::{
    http::error::{ApiError, Code},
    policy::{PrincipalId, Spec},
    principals::Links,
    store::{BindingRow, PolicyRow, Write},
};

/// The most that are in force for one principal, whether or not their policies are enabled.
const MOST: i64 = 128;

/// How many are in `spec`.
pub(super) fn count(spec: &Spec) -> i64 {
    i64::try_from(spec.content_patterns()).unwrap_or(i64::MAX)
}

/// Looks whether `policy` may have `patterns` of them, bound as `bindings` say and to `added`.
///
/// # Errors
/// 409 where too many would be in force for somebody.
pub(super) async fn check(
    write: &mut Write,
    policy: &PolicyRow,
    patterns: i64,
    bindings: &[BindingRow],
    added: Option<PrincipalId>,
) -> Result<(), ApiError> {
    if patterns == 0 || (bindings.is_empty() && added.is_none()) {
        return Ok(());
    }
    let mut by_principal: HashMap<(PrincipalType, String), Vec<(PolicyId, i64)>> = HashMap::new();
    let others = BindingRow::with_patterns(write, policy.namespace).await?;
    for (binding, count) in others.into_iter().filter(|(binding, _)| binding.policy != policy.id) {
        let its = by_principal.entry((binding.principal_type, binding.principal_id)).or_default();
        its.push((binding.policy, count));
    }
    let bound = bindings.iter().map(|binding| (binding.principal_type, binding.principal_id.clone()));
    let bound = bound.chain(added.map(|added| (added.kind(), added.to_string())));
    let bound: HashSet<(PrincipalType, String)> = bound.collect();
    for principal in &bound {
        by_principal.entry(principal.clone()).or_default().push((policy.id, patterns));
    }
    let links = Links::of_namespace(write, policy.namespace).await?;
    let named = bound.iter().filter_map(|(kind, id)| PrincipalId::parse(*kind, id));
    let mut chains: Vec<(String, Vec<PrincipalId>)> = links
        .ends()
        .chain(named)
        .map(|end| (format!("the {} `{end}`", end.kind()), links.chain(policy.namespace, end)))
        .collect();
    // Anybody may sign in with any client.
    let all = |wanted| by_principal.keys().filter(move |(kind, _)| *kind == wanted);
    let all = |wanted| all(wanted).filter_map(|(kind, id)| PrincipalId::parse(*kind, id));
    for client in all(PrincipalType::OauthClient) {
        chains.extend(all(PrincipalType::User).map(|user| {
            let chain = vec![PrincipalId::Namespace(policy.namespace), client, user];
            (format!("sessions of the user `{user}` with `{client}`"), chain)
        }));
    }
    for (end, chain) in chains {
        let chain: Vec<_> = chain.into_iter().map(|principal| (principal.kind(), principal.to_string())).collect();
        if !chain.iter().any(|principal| bound.contains(principal)) {
            continue;
        }
        let in_force: HashMap<PolicyId, i64> =
            chain.iter().filter_map(|principal| by_principal.get(principal)).flatten().copied().collect();
        let sum: i64 = in_force.values().sum();
        if sum > MOST {
            let message = format!(
                "at most {MOST} content patterns are in force for a principal, and for {end} there would be {sum}"
            );
            return Err(ApiError::new(Code::Conflict, message));
        }
    }
    Ok(())
}
