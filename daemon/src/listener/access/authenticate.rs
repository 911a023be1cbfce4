//! Who is calling, from what the request presents and what the kernel says.

use std::{future::Future, pin::Pin};

use bitrouter_gateway::{InferenceError, http::Caller};
use bitrouter_proto::codes::InferenceCode;

use super::{credential::PresentedKey, proven::ProvenPeer};
use crate::listener::{peer::PeerIdentity, routing::Access, settings::Keyless};

/// What is known of a caller.
#[derive(Debug)]
pub struct CallerEvidence<'a> {
    /// Which credential of ours it presents.
    pub presented: &'a PresentedKey<'a>,
    /// Whose process it is.
    pub peer: ProvenPeer<'a>,
    /// Whom the path is open to.
    pub access: Access,
    /// `[server] keyless`.
    pub keyless: Keyless,
}

/// An answer that takes a while.
pub type PendingCaller = Pin<Box<dyn Future<Output = Result<Caller, InferenceError>> + Send>>;

/// Who calls, or why nobody may.
pub enum Authentication {
    /// The answer.
    Known(Result<Caller, InferenceError>),
    /// Somebody has to be asked.
    Asking(PendingCaller),
}

/// Says who is calling.
pub trait Authenticator: Send + Sync + 'static {
    /// Judges `evidence`. It is asked for every request but those to what is open to everyone.
    fn authenticate(&self, evidence: CallerEvidence<'_>) -> Authentication;
}

/// Two credentials would let two programs believe in different callers.
pub fn two_keys() -> InferenceError {
    InferenceError::new(InferenceCode::InvalidRequest, "the request presents two different credentials; send one")
}

/// Why somebody without a credential is not served; `None` for a program of the daemon's own user, as far as
/// `[server] keyless` lets it.
pub fn not_served(evidence: &CallerEvidence<'_>) -> Option<InferenceError> {
    let get_one = match evidence.access {
        Access::SameUser => METRICS_KEY,
        Access::Anyone | Access::AsKeylessSays | Access::Credential => API_KEY,
    };
    let message = match evidence.peer {
        ProvenPeer::Kernel(PeerIdentity::SameUser) => {
            if evidence.access != Access::AsKeylessSays || evidence.keyless == Keyless::SameUser {
                return None;
            }
            format!(
                "`[server] keyless = \"never\"` demands a credential of every program; {get_one}; or set `keyless = \
                 \"same-user\"` to serve this user's own programs without one"
            )
        }
        ProvenPeer::Kernel(PeerIdentity::OtherUser(uid)) => format!(
            "the calling program runs as another user (uid {uid}), and only programs of the user who runs bitrouter are \
             served without a credential; {get_one}; or run `bitrouter start` as the calling user"
        ),
        ProvenPeer::Kernel(PeerIdentity::Unknown) => format!(
            "the kernel does not tell which user is calling (a container or another user namespace hides it), and only \
             programs of the user who runs bitrouter are served without a credential; {get_one}; or run `bitrouter \
             start` where the calling program runs"
        ),
        ProvenPeer::Kernel(PeerIdentity::Remote) => format!(
            "the call came over a network, so that nobody can tell which user is calling, and only programs of the user who \
             runs bitrouter are served without a credential; {get_one}"
        ),
        ProvenPeer::Kernel(PeerIdentity::NotAsked) => {
            format!("here every call needs a credential, whoever makes it; {get_one}")
        }
        ProvenPeer::Forwarded(header) => format!(
            "the request came through a proxy or a tunnel (header `{header}`), so that nobody can tell which user is \
             calling; {get_one}; or name the proxy in `[node] trusted_proxies` if it serves this machine alone"
        ),
        ProvenPeer::OtherHost(host) => format!(
            "the request is for the host `{host}`, which is no loopback name, so that nobody can tell which user is \
             calling; {get_one}; or call 127.0.0.1 or localhost (through a proxy that `[node] trusted_proxies` names, if \
             there is one)"
        ),
    };
    Some(InferenceError::new(InferenceCode::ApiKeyRequired, message))
}

/// Which key opens what programs of other users call, and how to get it.
const API_KEY: &str = "send an API key (`brk_…`), which `bitrouter cloud keys mint --name NAME` makes: with `--local` for \
                       whoever runs this node, and for others once `bitrouter auth login` has signed them in";

/// Which key opens the page of metrics, and how to get it.
const METRICS_KEY: &str = "send the key of the node's operator, which `bitrouter node keys mint --name NAME` makes";

/// Why a credential that is good for something else does not open the page of metrics to strangers.
pub fn not_the_operators() -> InferenceError {
    let message = format!(
        "this page is for programs of the user who runs bitrouter and for the node's operator, and no credential of a \
         namespace opens it; {METRICS_KEY}"
    );
    InferenceError::new(InferenceCode::PeerNotAllowed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(peer: ProvenPeer<'static>, access: Access, keyless: Keyless) -> Option<String> {
        let error = not_served(&CallerEvidence { presented: &PresentedKey::None, peer, access, keyless })?;
        assert_eq!(error.code(), InferenceCode::ApiKeyRequired);
        Some(error.message().to_owned())
    }

    #[test]
    fn only_the_own_user_needs_no_credential() {
        let own = ProvenPeer::Kernel(PeerIdentity::SameUser);
        for (access, cure) in [
            (Access::SameUser, &["`bitrouter node keys mint "][..]),
            (Access::AsKeylessSays, &["`bitrouter cloud keys mint ", "`bitrouter auth login`"]),
        ] {
            for keyless in [Keyless::SameUser, Keyless::Never] {
                let refused = (access, keyless) == (Access::AsKeylessSays, Keyless::Never);
                assert_eq!(refusal(own, access, keyless).is_some(), refused, "{access:?} {keyless:?}");
                for (peer, named) in [
                    (ProvenPeer::Kernel(PeerIdentity::OtherUser(0)), "uid 0"),
                    (ProvenPeer::Kernel(PeerIdentity::OtherUser(7)), "uid 7"),
                    (ProvenPeer::Kernel(PeerIdentity::Unknown), "the kernel does not tell"),
                    (ProvenPeer::Kernel(PeerIdentity::Remote), "over a network"),
                    (ProvenPeer::Kernel(PeerIdentity::NotAsked), "every call needs a credential"),
                    (ProvenPeer::Forwarded("x-real-ip"), "`x-real-ip`"),
                    (ProvenPeer::OtherHost("box.lan"), "`box.lan`"),
                ] {
                    let text = refusal(peer, access, keyless).unwrap();
                    assert!(text.contains(named) && cure.iter().all(|cure| text.contains(cure)), "{text}");
                    let is_proxied = !matches!(peer, ProvenPeer::Kernel(_));
                    assert_eq!(text.contains("trusted_proxies"), is_proxied, "{text}");
                }
            }
        }
        assert!(refusal(own, Access::AsKeylessSays, Keyless::Never).unwrap().contains("keyless"));
    }
}
