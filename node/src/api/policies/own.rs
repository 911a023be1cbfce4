//! Nobody takes off what binds themselves: a key, a session or a person is not the way out of the rules that it is under.

use bitrouter_gateway::http::Principal;
use bitrouter_proto::account::{CredentialId, policy::PrincipalType};

use crate::{
    Node,
    http::{
        Call,
        error::{ApiError, Code},
        granted::Actor,
    },
    policy::PrincipalId,
    principals::{chain_of, owns},
    store::{BindingRow, Queryable},
};

/// Refuses to unbind, disable, loosen or delete what one of `bindings` binds to the caller, or to what stands above.
///
/// # Errors
/// 403 `own_policy`.
pub(super) async fn check(call: &Call, on: &mut impl Queryable, bindings: &[BindingRow]) -> Result<(), ApiError> {
    if bindings.is_empty() {
        return Ok(());
    }
    let binds = |principal: &PrincipalId| {
        bindings
            .iter()
            .any(|binding| binding.principal_type == principal.kind() && binding.principal_id == principal.to_string())
    };
    match callers(call, on).await?.iter().find(|principal| binds(principal)) {
        None => Ok(()),
        Some(principal) => {
            let by_socket = match call.granted.namespace() {
                Ok(namespace) if call.node.is_owners(namespace) => ", or with `--local`",
                _ => "",
            };
            let message = format!(
                "the policy binds the caller, by the {} `{principal}`; whoever owns the namespace can change it at the console{by_socket}",
                said(principal.kind())
            );
            Err(ApiError::new(Code::OwnPolicy, message))
        }
    }
}

/// What may not be taken off by the caller.
async fn callers(call: &Call, on: &mut impl Queryable) -> Result<Vec<PrincipalId>, ApiError> {
    let namespace = call.granted.namespace()?;
    let is_owner = |person| owns(&call.node, person, namespace);
    Ok(match call.granted.actor {
        // The node's owner at the control socket, who can reach the database too.
        Actor::Socket(_) => Vec::new(),
        Actor::Person(person) if is_owner(person) => Vec::new(),
        Actor::Person(person) => vec![PrincipalId::User(person)],
        Actor::Token(Principal { credential: CredentialId::Key(key), person, .. }) => {
            let mut chain = chain_of(on, namespace, PrincipalId::ApiKey(key)).await?;
            chain.push(PrincipalId::User(person));
            chain
        }
        Actor::Token(Principal { credential: CredentialId::Grant(grant), person, .. }) => {
            let mut chain = chain_of(on, namespace, PrincipalId::OauthToken(grant)).await?;
            chain.retain(|principal| match principal {
                PrincipalId::Namespace(_) => false,
                PrincipalId::User(person) => !is_owner(*person),
                _ => true,
            });
            chain.extend((!is_owner(person)).then_some(PrincipalId::User(person)));
            chain
        }
        Actor::Operator(_) | Actor::Anyone => vec![PrincipalId::Namespace(namespace)],
    })
}

fn said(kind: PrincipalType) -> &'static str {
    match kind {
        PrincipalType::Namespace => "namespace",
        PrincipalType::ApiKey => "key",
        PrincipalType::OauthToken => "session",
        PrincipalType::OauthClient => "client",
        PrincipalType::User => "person",
    }
}

/// True where `binding` binds calls without a credential, once its policy acts.
pub(super) fn binds_keyless(node: &Node, binding: &BindingRow) -> bool {
    binding.namespace == node.row.first_namespace
        && match binding.principal_type {
            PrincipalType::Namespace => true,
            PrincipalType::User => binding.principal_id == node.row.owner.to_string(),
            PrincipalType::ApiKey | PrincipalType::OauthToken | PrincipalType::OauthClient => false,
        }
}
