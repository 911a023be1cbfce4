//! The order of refusals: host, origin, caller, media type. Pure: it decides, `service` acts.

use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Method, request::Parts};

use super::{
    caller, cors,
    peer::Peer,
    refusal::Refusal,
    rules::{self, Origin, OwnNames},
    settings::ListenerSettings,
};

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The router answers it.
    Serve,
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
    has_body: bool,
    own: &OwnNames,
    peer: Peer,
    settings: &ListenerSettings,
) -> (Verdict, Option<HeaderValue>) {
    let headers = &request.headers;
    if let Err(refused) = rules::host(&request.uri, headers, own, &settings.allow_hosts) {
        let message =
            format!("{}; use {}, or add the host to `[server] allow_hosts`", refused.reason(), own.base_url());
        return (Verdict::Refuse(Refusal::new(InferenceCode::HostNotAllowed, message)), None);
    }
    let page = match rules::origin(headers, own, &settings.allow_origins) {
        Ok(Origin::Own) => None,
        Ok(Origin::Allowed(origin)) => Some(origin.clone()),
        Err(reason) => {
            let message = format!("{reason}; add its origin to `[server] allow_origins` if it is yours");
            return (Verdict::Refuse(Refusal::new(InferenceCode::OriginNotAllowed, message)), None);
        }
    };
    // A preflight carries no credential, so it is answered before the caller is asked for one.
    if page.is_some() && cors::is_preflight(&request.method, headers) {
        return (Verdict::Preflight, page);
    }
    let verdict = admit(request, has_body, peer, settings).unwrap_or_else(Verdict::Refuse);
    (verdict, page)
}

fn admit(request: &Parts, has_body: bool, peer: Peer, settings: &ListenerSettings) -> Result<Verdict, Refusal> {
    let (headers, query) = (&request.headers, request.uri.query());
    let verdict = match request.uri.path() {
        "/health" | "/ping" => Verdict::Serve,
        "/metrics" if matches!(request.method, Method::GET | Method::HEAD) => {
            caller::same_user(headers, query, peer)?;
            Verdict::Metrics
        }
        _ => {
            caller::identify(headers, query, peer, settings.keyless)?;
            Verdict::Serve
        }
    };
    rules::media_type(&request.method, headers, has_body)
        .map_err(|reason| Refusal::new(InferenceCode::UnsupportedMediaType, reason))?;
    Ok(verdict)
}
