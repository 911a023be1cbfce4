//! `/api/v1`: the account as `tokenroute` clients read it. Bare objects and lists, money as decimal text, and its own errors
//! (<https://docs.tokenroute.io/docs/api-reference>). Nothing is done here that other paths do not do.
//!
//! * [`discovery`]: where such a client signs in. `account`: who it is, and the credit. `keys`: API keys of the credential's
//!   namespace. `topup`: buying credit. `usage`: what was used.

pub(crate) mod account;
pub(crate) mod discovery;
pub(crate) mod keys;
pub(crate) mod topup;
pub(crate) mod usage;

use bitrouter_gateway::http::ResponseFuture;
use bitrouter_proto::account::{MicroUsd, Scope};
use http::Method;
use serde::Serialize;

use crate::http::{
    Access, Call, Endpoint, Handler, Kind,
    error::{ApiError, Code},
    idempotency::Made,
    reply,
};

/// The endpoints of `/api/v1`.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    endpoint(Method::GET, "/api/v1/auth/discovery", Access::Open, |call| {
        answer(async move { Ok(discovery::show(&call)) })
    }),
    endpoint(Method::GET, "/api/v1/me", Access::Scope(Scope::AccountRead), |call| answer(account::me(call))),
    endpoint(Method::GET, "/api/v1/balance", Access::Scope(Scope::BillingRead), |call| answer(account::balance(call))),
    endpoint(Method::GET, "/api/v1/me/keys", Access::Scope(Scope::KeysRead), |call| answer(keys::list(call)))
        .in_own_namespace(),
    endpoint(Method::POST, "/api/v1/me/keys", Access::Scope(Scope::KeysWrite), |call| answer_made(keys::create(call)))
        .in_own_namespace(),
    endpoint(Method::DELETE, "/api/v1/me/keys/{key}", Access::Scope(Scope::KeysWrite), |call| {
        answer(keys::revoke(call))
    })
    .in_own_namespace(),
    endpoint(Method::POST, "/api/v1/topup", Access::Scope(Scope::BillingWrite), |call| answer_made(topup::begin(call))),
    endpoint(Method::GET, "/api/v1/me/usage", Access::Scope(Scope::UsageRead), |call| answer(usage::show(call)))
        .in_own_namespace()
        .taking(usage::DAYS),
];

/// What stands for every path below that has no endpoint.
pub(crate) static ABSENT: Endpoint = endpoint(Method::GET, "", Access::Open, |_| {
    answer(async { Err::<(), _>(ApiError::new(Code::NotFound, "there is nothing here")) })
});

/// True for a path of `/api/v1`, whether there is an endpoint or not.
pub(crate) fn is_below(path: &str) -> bool {
    path.strip_prefix("/api/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

const fn endpoint(method: Method, path: &'static str, access: Access, handler: Handler) -> Endpoint {
    Endpoint::new(method, path, Kind::Tokenroute, access, handler)
}

fn answer<T: Serialize>(found: impl Future<Output = Result<T, ApiError>> + Send + 'static) -> ResponseFuture {
    Box::pin(async move {
        match found.await {
            Ok(document) => reply::json(&document),
            Err(error) => error.into_response(Kind::Tokenroute),
        }
    })
}

fn answer_made<T: Serialize>(made: impl Future<Output = Result<Made<T>, ApiError>> + Send + 'static) -> ResponseFuture {
    Box::pin(async move {
        match made.await {
            Ok(made) => made.into_response(),
            Err(error) => error.into_response(Kind::Tokenroute),
        }
    })
}

/// An amount as decimal text: two digits behind the point at least, six at most, and no more than it has.
fn dollars(amount: MicroUsd) -> String {
    amount.to_string().replace('$', "")
}

/// The credit of the person behind the call, as text; nothing for a credential that may not read it.
async fn balance_of(call: &Call) -> Result<Option<String>, ApiError> {
    if !call.granted.scopes().contains(Scope::BillingRead) {
        return Ok(None);
    }
    account::credit(call).await.map(|credit| Some(dollars(credit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_decimal_text_of_two_to_six_places() {
        for (micros, text) in [
            (0, "0.00"),
            (5_000_000, "5.00"),
            (-100_000, "-0.10"),
            (123, "0.000123"),
            (1_234_560_000, "1234.56"),
            (1_500, "0.0015"),
        ] {
            assert_eq!(dollars(MicroUsd::new(micros)), text);
        }
    }

    #[test]
    fn what_is_below_begins_with_whole_segments() {
        for (path, is) in
            [("/api/v1", true), ("/api/v1/", true), ("/api/v1/me", true), ("/api/v1x", false), ("/api", false)]
        {
            assert_eq!(is_below(path), is, "{path}");
        }
    }
}
