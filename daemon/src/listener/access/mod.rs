//! The order of refusals: host, origin, caller. Pure: it decides, `service` acts.

mod authenticate;
mod host;
mod once;
mod origin;
#[cfg(test)]
mod tests;

use bitrouter_gateway::http::Caller;
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Method, request::Parts};

pub use self::host::OwnNames;
use self::{
    host::host,
    origin::{RequestOrigin, origin},
};
use super::{cors, peer::PeerIdentity, refusal::Refusal, settings::ListenerSettings};

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The service answers it.
    Serve(Caller),
    /// The metrics page answers it.
    Metrics,
    /// A preflight of an allowed page.
    Preflight,
    /// It is refused.
    Refuse(Refusal),
}

/// Decides; the second value is the allowed page whose replies are marked with its origin.
pub(super) fn judge(
    request: &Parts,
    own: &OwnNames,
    peer: PeerIdentity,
    settings: &ListenerSettings,
) -> (Verdict, Option<HeaderValue>) {
    let headers = &request.headers;
    if let Err(refused) = host(&request.uri, headers, own, &settings.allow_hosts) {
        let message =
            format!("{}; use {}, or add the host to `[server] allow_hosts`", refused.reason(), own.base_url());
        return (Verdict::Refuse(Refusal::new(InferenceCode::HostNotAllowed, message)), None);
    }
    let page = match origin(headers, own, &settings.allow_origins) {
        Ok(RequestOrigin::Own) => None,
        Ok(RequestOrigin::Allowed(origin)) => Some(origin.clone()),
        Err(reason) => {
            let message = format!("{reason}; add its origin to `[server] allow_origins` if it is yours");
            return (Verdict::Refuse(Refusal::new(InferenceCode::OriginNotAllowed, message)), None);
        }
    };
    // A preflight carries no credential, so it is answered before the caller is asked for one.
    if page.is_some() && cors::is_preflight(&request.method, headers) {
        return (Verdict::Preflight, page);
    }
    let verdict = admit(request, peer, settings).unwrap_or_else(Verdict::Refuse);
    (verdict, page)
}

fn admit(request: &Parts, peer: PeerIdentity, settings: &ListenerSettings) -> Result<Verdict, Refusal> {
    let (headers, query) = (&request.headers, request.uri.query());
    let verdict = match request.uri.path() {
        "/health" | "/ping" => Verdict::Serve(Caller::Anyone),
        "/metrics" if matches!(request.method, Method::GET | Method::HEAD) => {
            authenticate::same_user(headers, query, peer)?;
            Verdict::Metrics
        }
        _ => Verdict::Serve(authenticate::identify(headers, query, peer, settings.keyless)?),
    };
    Ok(verdict)
}
