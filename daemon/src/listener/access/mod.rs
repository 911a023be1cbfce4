//! Who may pass, in this order: host, origin, caller. It decides, the connection's service acts.

mod authenticate;
mod credential;
mod forwarded;
mod headers;
mod host;
mod origin;
mod proven;
#[cfg(test)]
mod tests;

use bitrouter_gateway::{InferenceError, http::Caller};
use bitrouter_node::http::Visitor;
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, Request};

pub use self::{
    authenticate::{
        Authentication, Authenticator, CallerEvidence, PendingCaller, not_served, not_the_operators, two_keys,
    },
    credential::PresentedKey,
    proven::ProvenPeer,
};
pub(super) use self::{headers::AccessHeaders, host::ListenerAuthorities};
use self::{
    host::check_host,
    origin::{Door, RequestOrigin},
    proven::Arrival,
};
use super::{
    cors,
    options::RefusalSink,
    peer::{Peer, PeerIdentity},
    routing::{Access, Mount, Route},
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

/// A request that was judged.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// The allowed page whose replies are marked with its origin.
    pub(super) page: Option<HeaderValue>,
    /// Who asks, where the node wants to know it.
    pub(super) visitor: Option<Visitor>,
}

impl Judged {
    fn refused(error: InferenceError) -> Self {
        Self { verdict: Verdict::Refuse(error), page: None, visitor: None }
    }
}

/// Whom and what a request is judged by.
pub(super) struct Judge<'a> {
    pub(super) own: &'a ListenerAuthorities,
    pub(super) peer: Peer,
    /// The daemon's user.
    pub(super) own_uid: u32,
    pub(super) settings: &'a ListenerSettings,
    pub(super) authenticator: &'a dyn Authenticator,
    pub(super) refusals: &'a dyn RefusalSink,
}

impl Judge<'_> {
    /// Decides about a request for `route`.
    pub(super) fn judge<B>(&self, request: &Request<B>, headers: &AccessHeaders<'_>, route: &Route) -> Judged {
        let settings = self.settings;
        let public = settings.public_url.as_ref();
        let host = match check_host(request.uri(), headers.host, self.own, &settings.allow_hosts, public) {
            Ok(host) => host,
            Err(refused) => {
                let use_this = match public.filter(|_| self.peer.identity == PeerIdentity::NotAsked) {
                    Some(public) => public.to_string(),
                    None => self.own.base_url().to_owned(),
                };
                let message =
                    format!("{}; use {use_this}, or add the host to `[server] allow_hosts`", refused.reason());
                return Judged::refused(InferenceError::new(InferenceCode::HostNotAllowed, message));
            }
        };
        let door = Door {
            host,
            public,
            allow: &settings.allow_origins,
            method: request.method(),
            may_be_linked_to: route.policy.may_be_linked_to,
        };
        let page = match door.check_origin(headers) {
            Ok(RequestOrigin::Own) => None,
            Ok(RequestOrigin::Allowed(origin)) => Some(origin.clone()),
            Err(reason) => {
                let message = format!("{reason}; add its origin to `[server] allow_origins` if it is yours");
                return Judged::refused(InferenceError::new(InferenceCode::OriginNotAllowed, message));
            }
        };
        // A preflight carries no credential, so it is answered before the caller is asked for one.
        if page.is_some() && cors::is_preflight(request.method(), request.headers()) {
            return Judged { verdict: Verdict::Preflight, page, visitor: None };
        }
        let arrival =
            Arrival { host, headers, all: request.headers(), peer: self.peer, trusted: &settings.trusted_proxies };
        let visitor = (route.mount == Mount::Node).then(|| {
            self.look_at(&arrival, arrival.proven());
            arrival.visitor(self.own_uid)
        });
        Judged { verdict: self.caller(&arrival, route.policy.access), page, visitor }
    }

    fn caller(&self, arrival: &Arrival<'_>, access: Access) -> Verdict {
        if access == Access::Anyone {
            return Verdict::Pass(Caller::Anyone);
        }
        let peer = arrival.proven();
        let presented = &arrival.headers.presented;
        if access != Access::Credential && *presented == PresentedKey::None {
            self.look_at(arrival, peer);
        }
        let evidence = CallerEvidence { presented, peer, access, keyless: self.settings.keyless };
        match self.authenticator.authenticate(evidence) {
            Authentication::Known(Ok(caller)) => Verdict::Pass(caller),
            Authentication::Known(Err(error)) => Verdict::Refuse(error),
            Authentication::Asking(pending) => Verdict::Ask(pending),
        }
    }

    /// Who it is was asked, and a proxy that nobody trusts hid it: that is said.
    fn look_at(&self, arrival: &Arrival<'_>, peer: ProvenPeer<'_>) {
        match (peer, arrival.untrusted_header()) {
            (ProvenPeer::Kernel(PeerIdentity::NotAsked), Some(header)) => {
                self.refusals.came_through_a_proxy(ProvenPeer::Forwarded(header));
            }
            (ProvenPeer::Kernel(_), _) => {}
            (hidden, _) if !arrival.is_of_a_trusted_proxy() => self.refusals.came_through_a_proxy(hidden),
            _ => {}
        }
    }
}
