//! Who is calling, from what the request presents and what the kernel says.

use std::{future::Future, pin::Pin};

use bitrouter_gateway::{InferenceError, http::Caller};
use bitrouter_proto::codes::InferenceCode;

use super::credential::PresentedKey;
use crate::listener::{peer::PeerIdentity, routing::Access, settings::Keyless};

/// What is known of a caller.
#[derive(Debug)]
pub struct CallerEvidence<'a> {
    /// Which key of ours it presents.
    pub presented: PresentedKey<'a>,
    /// Whose process it is.
    pub peer: PeerIdentity,
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

/// Serves programs of the daemon's own user. Until keys can be issued none is valid, and nobody else is served.
#[derive(Clone, Copy, Debug)]
pub struct OwnUserOnly;

impl Authenticator for OwnUserOnly {
    fn authenticate(&self, evidence: CallerEvidence<'_>) -> Authentication {
        Authentication::Known(identify(&evidence))
    }
}

fn identify(evidence: &CallerEvidence<'_>) -> Result<Caller, InferenceError> {
    match evidence.presented {
        PresentedKey::None => {}
        PresentedKey::One(_) => {
            return Err(InferenceError::new(
                InferenceCode::InvalidApiKey,
                "the API key is not valid: this daemon has issued none; programs of the user who runs bitrouter need \
                 no key, so send any string that does not begin with `brk_` or `bra_`",
            ));
        }
        PresentedKey::Different => {
            return Err(InferenceError::new(
                InferenceCode::InvalidRequest,
                "the request presents two different API keys; send one",
            ));
        }
    }
    match (evidence.peer, evidence.keyless) {
        (PeerIdentity::SameUser, Keyless::Never) if evidence.access == Access::AsKeylessSays => {
            Err(InferenceError::new(
                InferenceCode::PeerNotAllowed,
                "`[server] keyless = \"never\"` demands an API key, and none can be issued yet; \
                 set `keyless = \"same-user\"` to serve this user's own programs",
            ))
        }
        (PeerIdentity::SameUser, _) => Ok(Caller::Keyless { namespace: None }),
        (PeerIdentity::OtherUser(uid), _) => Err(InferenceError::new(
            InferenceCode::PeerNotAllowed,
            format!(
                "the calling program runs as another user (uid {uid}); until API keys exist, only programs of the user \
                 who runs bitrouter are served: run `bitrouter start` as the calling user"
            ),
        )),
        (PeerIdentity::Unknown, _) => Err(InferenceError::new(
            InferenceCode::PeerNotAllowed,
            "the kernel does not tell which user is calling (a container or another user namespace hides it); until \
             API keys exist, only programs of the user who runs bitrouter are served: run `bitrouter start` where the \
             calling program runs",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(
        presented: PresentedKey<'static>,
        peer: PeerIdentity,
        access: Access,
        keyless: Keyless,
    ) -> Option<InferenceCode> {
        let refused = identify(&CallerEvidence { presented, peer, access, keyless }).err()?;
        assert!(!format!("{refused:?}").contains("canary"), "a refusal repeats the credential");
        Some(refused.code())
    }

    #[test]
    fn the_table_of_callers() {
        use InferenceCode::{InvalidApiKey, InvalidRequest, PeerNotAllowed};
        let others = [PeerIdentity::OtherUser(0), PeerIdentity::OtherUser(7), PeerIdentity::Unknown];
        for access in [Access::SameUser, Access::AsKeylessSays] {
            for keyless in [Keyless::SameUser, Keyless::Never] {
                let refused = (access, keyless) == (Access::AsKeylessSays, Keyless::Never);
                let own = code(PresentedKey::None, PeerIdentity::SameUser, access, keyless);
                assert_eq!(own, refused.then_some(PeerNotAllowed));
                for peer in others {
                    assert_eq!(code(PresentedKey::None, peer, access, keyless), Some(PeerNotAllowed));
                }
                for peer in others.into_iter().chain([PeerIdentity::SameUser]) {
                    let key = PresentedKey::One(b"brk_canary".as_slice().into());
                    assert_eq!(code(key, peer, access, keyless), Some(InvalidApiKey));
                    assert_eq!(code(PresentedKey::Different, peer, access, keyless), Some(InvalidRequest));
                }
            }
        }
    }
}
