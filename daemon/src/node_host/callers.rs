//! Who may call while the node is on, off, or being opened: the table of callers, on top of what the listener found out.
//!
//! A credential is judged by the node alone, from memory, for each request. It is never taken for none: whoever presents
//! one that opens nothing is told so, also where a program without any would be served.

use bitrouter_gateway::{InferenceError, http::Caller};
use bitrouter_node::{Node, oauth::live::TokenRefused};
use bitrouter_proto::codes::InferenceCode;
use http::{HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::{NodeHost, NodeOff, NodeState};
use crate::listener::{
    Access, Authentication, Authenticator, CallerEvidence, PeerIdentity, PresentedKey, ProvenPeer, not_served,
    not_the_operators, two_keys,
};

/// What access tokens begin with.
const TOKEN: &[u8] = b"bra_";
/// What API keys begin with.
const KEY: &[u8] = b"brk_";

impl Authenticator for NodeHost {
    fn authenticate(&self, evidence: CallerEvidence<'_>) -> Authentication {
        let state = self.state();
        let is_own = matches!(evidence.peer, ProvenPeer::Kernel(PeerIdentity::SameUser));
        match evidence.presented {
            PresentedKey::Different => Authentication::Known(Err(two_keys())),
            PresentedKey::One(key) => {
                let is_for_operator = evidence.access == Access::SameUser && !is_own;
                if !matches!(**state, NodeState::Starting) {
                    let caller = holder(&state, key, is_own);
                    return Authentication::Known(caller.and_then(|caller| opens(caller, is_for_operator)));
                }
                let (host, key) = (self.clone(), SecretSlice::from(key.to_vec()));
                Authentication::Asking(Box::pin(async move {
                    host.settled().await;
                    opens(holder(&host.state(), key.expose_secret(), is_own)?, is_for_operator)
                }))
            }
            PresentedKey::None if evidence.access == Access::Credential => Authentication::Known(visitor(&state)),
            PresentedKey::None => match (not_served(&evidence), evidence.access, &**state) {
                (Some(refusal), ..) => Authentication::Known(Err(refusal)),
                (None, Access::AsKeylessSays, NodeState::Starting) => {
                    let host = self.clone();
                    Authentication::Asking(Box::pin(async move {
                        host.settled().await;
                        keyless(&host.state())
                    }))
                }
                (None, Access::AsKeylessSays, state) => Authentication::Known(keyless(state)),
                (None, ..) => Authentication::Known(Ok(Caller::Keyless { namespace: None })),
            },
        }
    }
}

/// Whoever holds `key`.
fn holder(state: &NodeState, key: &[u8], is_own: bool) -> Result<Caller, InferenceError> {
    match state {
        NodeState::On(node) => judge(node, key),
        NodeState::Off(off) => Err(no_judge(off, is_own)),
        NodeState::Starting => Err(starting()),
    }
}

fn judge(node: &Node, key: &[u8]) -> Result<Caller, InferenceError> {
    let invalid = |message: String| InferenceError::new(InferenceCode::InvalidApiKey, message);
    if !key.starts_with(TOKEN) && !key.starts_with(KEY) {
        return Err(invalid(
            "this opens nothing here: `bitrouter cloud keys mint --name NAME` makes an API key, and `bitrouter auth login` gets a token".to_owned(),
        ));
    }
    node.judge(key).map_err(|refused| match refused {
        TokenRefused::Invalid => invalid(format!("{refused}; `bitrouter auth login` gets a new one")),
        TokenRefused::Key => invalid(format!("{refused}; `bitrouter cloud keys mint --name NAME` makes a new one")),
        TokenRefused::Suspended(_) => invalid(refused.to_string()),
    })
}

/// `caller`, as far as what it asks for is not the operator's alone.
fn opens(caller: Caller, is_for_operator: bool) -> Result<Caller, InferenceError> {
    match caller {
        Caller::Operator(_) => Ok(caller),
        _ if is_for_operator => Err(not_the_operators()),
        _ => Ok(caller),
    }
}

impl NodeHost {
    /// Whom calls without a credential stand for now.
    ///
    /// # Errors
    /// Why they are not served.
    pub(crate) fn keyless(&self) -> Result<Caller, InferenceError> {
        keyless(&self.state())
    }
}

/// A program of the daemon's own user, without a credential.
fn keyless(state: &NodeState) -> Result<Caller, InferenceError> {
    match state {
        NodeState::On(node) => Ok(Caller::Keyless { namespace: Some(node.first_namespace()) }),
        NodeState::Off(off) if off.bound => Err(InferenceError::new(
            InferenceCode::Unavailable,
            format!(
                "calls without a credential are bound to rules that only the node knows, and it is off: {}",
                off.reason
            ),
        )),
        NodeState::Off(_) | NodeState::Starting => Ok(Caller::Keyless { namespace: None }),
    }
}

/// Whoever wants something of the node and presents no credential: it looks for a web session.
fn visitor(state: &NodeState) -> Result<Caller, InferenceError> {
    match state {
        NodeState::Off(off) if off.disabled => Err(no_judge(off, false)),
        NodeState::On(_) | NodeState::Off(_) | NodeState::Starting => Ok(Caller::Anyone),
    }
}

/// What strangers are told in place of the reason, which names files.
pub(super) const ELSEWHERE: &str = "`bitrouter status` on its machine says why";

/// Nobody can say whether a credential is good.
fn no_judge(off: &NodeOff, is_own: bool) -> InferenceError {
    if off.disabled {
        let message = "no credential is valid here: the node is switched off by `[node] enabled = false`";
        return InferenceError::new(InferenceCode::InvalidApiKey, message);
    }
    let reason = if is_own { &off.reason } else { ELSEWHERE };
    InferenceError::new(InferenceCode::Unavailable, format!("credentials cannot be judged: the node is off: {reason}"))
}

/// It will be known in a moment.
pub(super) fn starting() -> InferenceError {
    InferenceError::new(InferenceCode::Unavailable, "the node is being opened; try again in a moment")
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Keyless;

    const TOKEN: PresentedKey<'static> = PresentedKey::One(std::borrow::Cow::Borrowed(b"bra_canary"));
    const KEY: PresentedKey<'static> = PresentedKey::One(std::borrow::Cow::Borrowed(b"brk_canary"));
    const OWN: ProvenPeer<'static> = ProvenPeer::Kernel(PeerIdentity::SameUser);
    const OTHER: ProvenPeer<'static> = ProvenPeer::Kernel(PeerIdentity::OtherUser(7));

    fn off(disabled: bool, bound: bool) -> NodeState {
        NodeState::Off(NodeOff { disabled, reason: "`node.db` is broken".to_owned(), bound, ..NodeOff::default() })
    }

    async fn ask(
        host: &NodeHost,
        presented: &PresentedKey<'static>,
        peer: ProvenPeer<'static>,
        access: Access,
        keyless: Keyless,
    ) -> Result<Caller, (InferenceCode, String)> {
        let answer = match host.authenticate(CallerEvidence { presented, peer, access, keyless }) {
            Authentication::Known(answer) => answer,
            Authentication::Asking(pending) => pending.await,
        };
        answer.map_err(|error| {
            assert!(!format!("{error:?}").contains("canary"), "a refusal repeats the credential");
            (error.code(), error.message().to_owned())
        })
    }

    fn code<T>(answer: &Result<T, (InferenceCode, String)>) -> Option<InferenceCode> {
        answer.as_ref().err().map(|(code, _)| *code)
    }

    #[tokio::test]
    async fn n23_with_the_node_off_no_credential_is_judged_and_none_counts_as_keyless() {
        for (state, expected, named) in [
            (off(true, false), InferenceCode::InvalidApiKey, "enabled = false"),
            (off(false, false), InferenceCode::Unavailable, "`node.db` is broken"),
            (off(false, true), InferenceCode::Unavailable, "`node.db` is broken"),
        ] {
            let host = NodeHost::new(state);
            for key in [&TOKEN, &KEY] {
                for access in [Access::AsKeylessSays, Access::Credential, Access::SameUser] {
                    let answer = ask(&host, key, OWN, access, Keyless::SameUser).await;
                    assert_eq!(code(&answer), Some(expected));
                    assert!(answer.unwrap_err().1.contains(named));
                }
            }
            let two = ask(&host, &PresentedKey::Different, OWN, Access::AsKeylessSays, Keyless::SameUser).await;
            assert_eq!(code(&two), Some(InferenceCode::InvalidRequest));
        }
    }

    #[tokio::test]
    async fn with_the_node_off_keyless_calls_go_on_unless_rules_bind_them() {
        for (state, expected) in
            [(off(true, false), None), (off(false, false), None), (off(false, true), Some(InferenceCode::Unavailable))]
        {
            let host = NodeHost::new(state);
            let own = ask(&host, &PresentedKey::None, OWN, Access::AsKeylessSays, Keyless::SameUser).await;
            assert_eq!(code(&own), expected);
            if expected.is_none() {
                assert_eq!(own, Ok(Caller::Keyless { namespace: None }));
            }
            let metrics = ask(&host, &PresentedKey::None, OWN, Access::SameUser, Keyless::Never).await;
            assert_eq!(metrics, Ok(Caller::Keyless { namespace: None }));
            for (peer, keyless) in [(OTHER, Keyless::SameUser), (OWN, Keyless::Never)] {
                let answer = ask(&host, &PresentedKey::None, peer, Access::AsKeylessSays, keyless).await;
                assert_eq!(code(&answer), Some(InferenceCode::ApiKeyRequired));
            }
        }
        for (disabled, expected) in [(true, Some(InferenceCode::InvalidApiKey)), (false, None)] {
            let host = NodeHost::new(off(disabled, false));
            let managed = ask(&host, &PresentedKey::None, OTHER, Access::Credential, Keyless::Never).await;
            assert_eq!(code(&managed), expected);
        }
    }

    #[test]
    fn the_page_of_metrics_is_the_operators_too_and_no_other_credentials() {
        let operator = Caller::Operator("key_00000000000000000000000000".parse().unwrap());
        for is_for_operator in [false, true] {
            assert_eq!(opens(operator, is_for_operator).unwrap(), operator);
        }
        let keyless = Caller::Keyless { namespace: None };
        assert_eq!(opens(keyless, false).unwrap(), keyless);
        let refused = opens(keyless, true).unwrap_err();
        assert_eq!(refused.code(), InferenceCode::PeerNotAllowed);
        assert!(refused.message().contains("`bitrouter node keys mint "), "{}", refused.message());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_calls_wait_for_the_node_but_not_for_ever() {
        let host = NodeHost::new(NodeState::Starting);
        let bound = std::time::Duration::from_secs(3);
        let own = ask(&host, &PresentedKey::None, OWN, Access::AsKeylessSays, Keyless::SameUser);
        let own = tokio::time::timeout(bound, own).await.expect("within its bound");
        assert_eq!(own, Ok(Caller::Keyless { namespace: None }));
        let token = ask(&host, &TOKEN, OTHER, Access::AsKeylessSays, Keyless::SameUser);
        let token = tokio::time::timeout(bound, token).await.expect("within its bound");
        assert_eq!(code(&token), Some(InferenceCode::Unavailable));
        // A stranger waits for nothing.
        let stranger = CallerEvidence {
            presented: &PresentedKey::None,
            peer: OTHER,
            access: Access::AsKeylessSays,
            keyless: Keyless::SameUser,
        };
        assert!(matches!(host.authenticate(stranger), Authentication::Known(Err(_))));
        let later = host.clone();
        let waits = ask(&host, &PresentedKey::None, OWN, Access::AsKeylessSays, Keyless::SameUser);
        let (answer, ()) = tokio::join!(waits, async move { later.set(off(false, true)) });
        assert_eq!(code(&answer), Some(InferenceCode::Unavailable));
    }
}
