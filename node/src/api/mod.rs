//! The REST interface: people's resources as JSON. Every handler gets a call that was judged (`http::granted`).

mod account;
mod billing;
mod budgets;
pub(crate) mod byok;
mod keys;
mod ledger;
mod members;
mod namespaces;
mod oauth_clients;
mod policies;
mod presets;
mod sessions;
pub(crate) mod tokenroute;

use bitrouter_gateway::http::ResponseFuture;
use bitrouter_proto::account::{Scope, ScopeSet, ledger::Page};
use http::Method;
use serde::Serialize;

use crate::http::{
    Access, Endpoint, Handler, Kind,
    endpoints::PrincipalIn,
    error::{ApiError, Code},
    idempotency::Made,
    reply,
};

/// The endpoints of REST.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    rest(Method::GET, "/v1/namespaces", Access::Scope(Scope::NamespaceRead), |call| answer(namespaces::list(call))),
    rest(Method::POST, "/v1/namespaces", Access::Scope(Scope::NamespaceWrite), |call| {
        answer_made(namespaces::create(call))
    }),
    rest(Method::DELETE, "/v1/namespaces/{nsid}", Access::Scope(Scope::NamespaceWrite), |call| {
        answer(namespaces::delete(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/members", Access::WebSession(Scope::NamespaceWrite), |call| {
        answer(members::list(call))
    }),
    rest(Method::POST, "/v1/namespaces/{nsid}/members", Access::WebSession(Scope::NamespaceWrite), |call| {
        answer_made(members::set(call))
    }),
    rest(Method::DELETE, "/v1/namespaces/{nsid}/members/{usr}", Access::WebSession(Scope::NamespaceWrite), |call| {
        answer(members::remove(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/keys", Access::Scope(Scope::KeysRead), |call| answer(keys::list(call))),
    rest(Method::POST, "/v1/namespaces/{nsid}/keys", Access::Scope(Scope::KeysWrite), |call| {
        answer_made(keys::mint(call))
    }),
    rest(Method::DELETE, "/v1/namespaces/{nsid}/keys/{key}", Access::Scope(Scope::KeysWrite), |call| {
        answer(keys::revoke(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/sessions", Access::Scope(Scope::KeysRead), |call| {
        answer(sessions::list(call))
    }),
    rest(Method::DELETE, "/v1/namespaces/{nsid}/sessions/{tok}", Access::Scope(Scope::KeysWrite), |call| {
        answer(sessions::revoke(call))
    })
    .taking(sessions::REVOKE),
    rest(Method::GET, "/v1/namespaces/{nsid}/oauth/clients", Access::Scope(Scope::ClientsRead), |call| {
        answer(async move { oauth_clients::list(&call) })
    }),
    rest(Method::POST, "/v1/namespaces/{nsid}/oauth/clients", Access::Scope(Scope::ClientsWrite), |call| {
        answer_made(oauth_clients::register(call))
    }),
    rest(Method::PUT, "/v1/namespaces/{nsid}/oauth/clients/{client_id}", Access::Scope(Scope::ClientsWrite), |call| {
        answer(oauth_clients::update(call))
    }),
    rest(
        Method::DELETE,
        "/v1/namespaces/{nsid}/oauth/clients/{client_id}",
        Access::Scope(Scope::ClientsWrite),
        |call| answer(oauth_clients::delete(call)),
    )
    .taking(oauth_clients::DELETE),
    rest(Method::GET, "/v1/namespaces/{nsid}/usage", Access::Scope(Scope::UsageRead), |call| {
        answer(ledger::usage(call))
    })
    .taking(ledger::WINDOW)
    .for_operator_too(),
    rest(Method::GET, "/v1/namespaces/{nsid}/requests", Access::Scope(Scope::UsageRead), |call| {
        answer(ledger::list(call))
    })
    .taking(ledger::PAGE)
    .for_operator_too(),
    rest(Method::GET, "/v1/namespaces/{nsid}/requests/{req}", Access::Scope(Scope::UsageRead), |call| {
        answer(ledger::show(call))
    })
    .for_operator_too(),
    rest(Method::GET, "/v1/requests/{request_id}/settlement", Access::Scope(Scope::UsageRead), |call| {
        answer(ledger::settlement(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/policies", Access::Scope(Scope::PolicyRead), |call| {
        answer(policies::list(call))
    })
    .taking(policies::LIST),
    rest(Method::POST, "/v1/namespaces/{nsid}/policies", Access::Scope(Scope::PolicyWrite), |call| {
        answer_made(policies::create(call))
    }),
    // Before what has an id in its place.
    rest(Method::GET, "/v1/namespaces/{nsid}/policies/effective", Access::Scope(Scope::PolicyRead), |call| {
        answer(policies::effective(call))
    })
    .taking(policies::EFFECTIVE)
    .naming_principal(PrincipalIn::Query),
    rest(Method::GET, "/v1/namespaces/{nsid}/policies/{pol}", Access::Scope(Scope::PolicyRead), |call| {
        answer(policies::show(call))
    }),
    rest(Method::PUT, "/v1/namespaces/{nsid}/policies/{pol}", Access::Scope(Scope::PolicyWrite), |call| {
        answer(policies::update(call))
    }),
    rest(Method::DELETE, "/v1/namespaces/{nsid}/policies/{pol}", Access::Scope(Scope::PolicyWrite), |call| {
        answer(policies::delete(call))
    }),
    rest(Method::POST, "/v1/namespaces/{nsid}/policies/{pol}/bind", Access::Scope(Scope::PolicyWrite), |call| {
        answer_made(policies::bind(call))
    })
    .naming_principal(PrincipalIn::Body),
    rest(
        Method::DELETE,
        "/v1/namespaces/{nsid}/policies/{pol}/bind/{bnd}",
        Access::Scope(Scope::PolicyWrite),
        |call| answer(policies::unbind(call)),
    ),
    rest(Method::POST, "/v1/namespaces/{nsid}/policies/{pol}/disable", Access::Scope(Scope::PolicyWrite), |call| {
        answer(policies::disable(call))
    }),
    rest(Method::POST, "/v1/namespaces/{nsid}/policies/{pol}/enable", Access::Scope(Scope::PolicyWrite), |call| {
        answer(policies::enable(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/policies/{pol}/bindings", Access::Scope(Scope::PolicyRead), |call| {
        answer(policies::bindings(call))
    }),
    rest(
        Method::GET,
        "/v1/namespaces/{nsid}/principals/{principal_type}/{principal_id}/policies",
        Access::Scope(Scope::PolicyRead),
        |call| answer(policies::for_principal(call)),
    ),
    rest(Method::GET, "/v1/namespaces/{nsid}/budgets", Access::Scope(Scope::PolicyRead), |call| {
        answer(budgets::list(call))
    }),
    rest(Method::POST, "/v1/namespaces/{nsid}/budgets", Access::Scope(Scope::PolicyWrite), |call| {
        answer_made(budgets::create(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/budgets/{budget}", Access::Scope(Scope::PolicyRead), |call| {
        answer(budgets::show(call))
    }),
    rest(Method::PUT, "/v1/namespaces/{nsid}/budgets/{budget}", Access::Scope(Scope::PolicyWrite), |call| {
        answer(budgets::update(call))
    }),
    rest(Method::DELETE, "/v1/namespaces/{nsid}/budgets/{budget}", Access::Scope(Scope::PolicyWrite), |call| {
        answer(policies::delete(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/presets", Access::Scope(Scope::PolicyRead), |call| {
        answer(presets::list(call))
    }),
    rest(Method::POST, "/v1/namespaces/{nsid}/presets", Access::Scope(Scope::PolicyWrite), |call| {
        answer_made(presets::create(call))
    }),
    rest(Method::GET, "/v1/namespaces/{nsid}/presets/{preset}", Access::Scope(Scope::PolicyRead), |call| {
        answer(presets::show(call))
    }),
    rest(Method::PUT, "/v1/namespaces/{nsid}/presets/{preset}", Access::Scope(Scope::PolicyWrite), |call| {
        answer(presets::update(call))
    }),
    rest(Method::DELETE, "/v1/namespaces/{nsid}/presets/{preset}", Access::Scope(Scope::PolicyWrite), |call| {
        answer(policies::delete(call))
    }),
    rest(Method::GET, "/v1/billing/balance", Access::Scope(Scope::BillingRead), |call| answer(billing::balance(call))),
    rest(Method::GET, "/v1/billing/transactions", Access::Scope(Scope::BillingRead), |call| {
        answer(billing::transactions(call))
    })
    .taking(billing::PAGE),
    Endpoint::new(Method::GET, "/v1/byok/encryption-pubkey", Kind::Rest, Access::Open, |call| {
        Box::pin(async move { byok::encryption_key(&call) })
    }),
    rest(Method::GET, "/v1/byok/keys", Access::Scope(Scope::ByokRead), |call| answer(async move { byok::list(&call) })),
    rest(Method::POST, "/v1/byok/keys", Access::Scope(Scope::ByokWrite), |call| answer_made(byok::submit(call))),
    rest(Method::DELETE, "/v1/byok/keys/{provider}", Access::Scope(Scope::ByokWrite), |call| {
        answer(byok::delete(call))
    }),
    rest(Method::GET, "/v1/node/usage", Access::Operator(Scope::UsageRead), |call| answer(ledger::node_usage(call)))
        .taking(ledger::WINDOW)
        .for_operator_too(),
    rest(Method::GET, "/v1/account", Access::Scope(Scope::AccountRead), |call| answer(account::show(call))),
    rest(Method::PATCH, "/v1/account", Access::Scope(Scope::AccountWrite), |call| answer(account::change(call))),
    rest(Method::DELETE, "/v1/account", Access::WebSession(Scope::AccountWrite), |call| answer(account::delete(call))),
];

/// What stands for every management path that has no endpoint: whoever has a credential learns that, and nobody else.
pub(crate) static ABSENT: Endpoint = rest(Method::GET, "", Access::Open, |_| {
    answer(async { Err::<(), _>(ApiError::new(Code::NotFound, "there is nothing here")) })
});

pub(crate) const fn rest(method: Method, path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(method, path, Kind::Rest, access, handler)
}

/// Writes what a handler found, or why not.
pub(crate) fn answer<T: Serialize>(
    found: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> ResponseFuture {
    Box::pin(async move {
        match found.await {
            Ok(document) => reply::json(&document),
            Err(error) => error.into_response(Kind::Rest),
        }
    })
}

/// Writes what was made, now or by an earlier call with the same key, or why nothing was.
pub(crate) fn answer_made<T: Serialize>(
    made: impl Future<Output = Result<Made<T>, ApiError>> + Send + 'static,
) -> ResponseFuture {
    Box::pin(async move {
        match made.await {
            Ok(made) => made.into_response(),
            Err(error) => error.into_response(Kind::Rest),
        }
    })
}

/// The scopes of a list in the member `field` of a body.
fn scopes_of(texts: &[String], field: &'static str) -> Result<ScopeSet, ApiError> {
    let mut scopes = ScopeSet::EMPTY;
    for text in texts {
        // One scope each: a list of several is one that nobody knows.
        let scope = ScopeSet::parse(text).ok().filter(|scope| !scope.is_empty() && !text.contains(' '));
        let unknown = || ApiError::new(Code::BadRequest, format!("unknown scope `{text}`")).about(field);
        scopes = scopes.union(scope.ok_or_else(unknown)?);
    }
    Ok(scopes)
}

/// A page of the rows that were found, one more of which than the page has says that another one follows.
fn page<T>(mut rows: Vec<T>, limit: i64, offset: i64, id: impl Fn(&T) -> String) -> Page<T> {
    let (limit, offset) = (limit.unsigned_abs(), offset.unsigned_abs());
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    let next_cursor = rows.last().filter(|_| more).map(id);
    Page { data: rows, limit, offset, next_cursor }
}

/// The paths below which everybody needs a credential, whether there is an endpoint or not: nobody learns by asking what
/// this release has.
const MANAGEMENT: &[&str] =
    &["/v1/namespaces", "/v1/account", "/v1/billing", "/v1/byok/keys", "/v1/node", "/v1/requests", "/api/v1"];

/// What stands below those and is open to all.
const OPEN: &[&str] = &["/api/v1/auth/discovery", "/v1/billing/stripe/webhook"];

/// True for a path that always needs a credential.
pub(crate) fn is_management(path: &str) -> bool {
    let below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !OPEN.contains(&path) && MANAGEMENT.iter().copied().any(below)
}

#[cfg(test)]
mod ledger_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn management_is_what_stands_below_its_paths() {
        for path in ["/v1/namespaces", "/v1/namespaces/ns_1/keys", "/v1/billing/balance", "/api/v1/x", "/v1/node/usage"]
        {
            assert!(is_management(path), "{path}");
        }
        for path in [
            "/v1/models",
            "/v1/namespacesx",
            "/api/v1/auth/discovery",
            "/v1/billing/stripe/webhook",
            "/v1/byok/encryption-pubkey",
            "/console",
        ] {
            assert!(!is_management(path), "{path}");
        }
        let is_judged = |endpoint: &Endpoint| is_management(endpoint.path) && endpoint.access != Access::Open;
        let open: Vec<_> = ENDPOINTS.iter().filter(|endpoint| !is_judged(endpoint)).map(|open| open.path).collect();
        assert_eq!(open, ["/v1/byok/encryption-pubkey"]);
    }
}
