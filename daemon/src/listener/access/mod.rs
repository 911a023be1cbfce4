//! Who may pass, in this order: host, origin, caller. It decides, the connection's service acts.

mod authenticate;
mod credential;
mod headers;
mod host;
mod origin;
#[cfg(test)]
mod tests;

use bitrouter_gateway::{InferenceError, http::Caller};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Request};

pub use self::{
    authenticate::{Authentication, Authenticator, CallerEvidence, OwnUserOnly, PendingCaller},
    credential::PresentedKey,
};
pub(super) use self::{headers::AccessHeaders, host::ListenerAuthorities};
use self::{
    host::check_host,
    origin::{RequestOrigin, check_origin},
};
use super::{
    cors,
    peer::PeerIdentity,
    routing::{Access, RoutePolicy},
    settings::ListenerSettings,
};

/// What becomes of a request.
pub(super) enum Verdict {
    /// It may pass.
    Pass(Caller),
    /// Somebody has to be asked whether it may.
    Ask(PendingCaller),
    /// A preflight of an allowed page.
    Preflight,
    /// It is refused.
    Refuse(InferenceError),
}

/// Whom and what a request is judged by.
pub(super) struct Judge<'a> {
    pub(super) own: &'a ListenerAuthorities,
    pub(super) peer: PeerIdentity,
    pub(super) settings: &'a ListenerSettings,
    pub(super) authenticator: &'a dyn Authenticator,
}

impl Judge<'_> {
    /// Decides; the second value is the allowed page whose replies are marked with its origin.
    pub(super) fn judge<B>(
        &self,
        request: &Request<B>,
        headers: AccessHeaders<'_>,
        policy: RoutePolicy,
    ) -> (Verdict, Option<HeaderValue>) {
        if let Err(refused) = check_host(request.uri(), headers.host, self.own, &self.settings.allow_hosts) {
            let message =
                format!("{}; use {}, or add the host to `[server] allow_hosts`", refused.reason(), self.own.base_url());
            return (Verdict::Refuse(InferenceError::new(InferenceCode::HostNotAllowed, message)), None);
        }
        let page = match check_origin(&headers, self.own, &self.settings.allow_origins) {
            Ok(RequestOrigin::Own) => None,
            Ok(RequestOrigin::Allowed(origin)) => Some(origin.clone()),
            Err(reason) => {
                let message = format!("{reason}; add its origin to `[server] allow_origins` if it is yours");
                return (Verdict::Refuse(InferenceError::new(InferenceCode::OriginNotAllowed, message)), None);
            }
        };
        // A preflight carries no credential, so it is answered before the caller is asked for one.
        if page.is_some() && cors::is_preflight(request.method(), request.headers()) {
            return (Verdict::Preflight, page);
        }
        (self.caller(headers, policy.access), page)
    }

    fn caller(&self, headers: AccessHeaders<'_>, access: Access) -> Verdict {
        if access == Access::Anyone {
            return Verdict::Pass(Caller::Anyone);
        }
        let keyless = self.settings.keyless;
        let evidence = CallerEvidence { presented: headers.presented, peer: self.peer, access, keyless };
        match self.authenticator.authenticate(evidence) {
            Authentication::Known(Ok(caller)) => Verdict::Pass(caller),
            Authentication::Known(Err(error)) => Verdict::Refuse(error),
            Authentication::Asking(pending) => Verdict::Ask(pending),
        }
    }
}
