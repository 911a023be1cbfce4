//! Calls of the account's own provider that are made with its stored credential: asked for before the call, renewed once
//! where its server refuses it, and attached only where the call goes to the server that issued it.

use std::sync::Arc;

use bitrouter_proto::codes::InferenceCode;
use http::{HeaderName, HeaderValue, Request, StatusCode, header, request::Parts};
use secrecy::SecretString;

use super::{
    attempt::{CallError, Outcome, call_provider},
    context::{Caller, RequestContext},
    deadline::{WaitError, total, within},
    model_errors::account_refused,
    prepare::Call,
    routes::{may_call_models, missing_scope},
};
use crate::{
    Gateway,
    credential::credential,
    error::InferenceError,
    meter::RequestRecorder,
    ports::{AccountCredential, AccountRefused, AccountToken},
    protocol::Pieces,
    registry::{Provider, Target},
    snapshot::{Limits, Snapshot},
    upstream::RequestBody,
};

/// What is known of the account's credential while a request is prepared.
#[derive(Clone, Copy)]
pub(super) enum Pass<'a> {
    /// It has not been asked for.
    Unasked,
    /// A token, for its issuer alone.
    Token(&'a AccountToken),
    /// The own node's: this model is resolved here.
    OwnNode(&'a str),
}

impl<'a> Pass<'a> {
    /// The token, where `provider` is at the server that issued it.
    pub(super) fn token_for(self, provider: &Provider) -> Option<&'a AccountToken> {
        match self {
            Self::Token(token) => Some(token).filter(|token| is_at_issuer(provider, token)),
            Self::Unasked | Self::OwnNode(_) => None,
        }
    }
}

/// The credential that was taken.
pub(super) enum Taken {
    Token(AccountToken),
    OwnNode,
}

impl Taken {
    /// What a request whose model is called `model` at the account is prepared with.
    pub(super) fn pass<'a>(&'a self, model: &'a str) -> Pass<'a> {
        match self {
            Self::Token(token) => Pass::Token(token),
            Self::OwnNode => Pass::OwnNode(model),
        }
    }
}

/// Asks for the account's credential. `snapshot` is a newer one afterwards, where the token is for another server than the
/// one it knew; `context` names the credential's holder, where a caller without one is served by the own node.
pub(super) async fn take(
    gateway: &Arc<Gateway>,
    snapshot: &mut Arc<Snapshot>,
    context: &mut RequestContext,
) -> Result<Taken, InferenceError> {
    let limit = total(context.started, &snapshot.limits);
    let asked = within(gateway.account.credential(), &gateway.interrupt, &*context.connection, || limit).await;
    let given = asked.map_err(too_late)?.map_err(|refused| {
        // The reason names files of this machine, which are nobody's but its owner's.
        let refused = match (refused, context.caller) {
            (AccountRefused::Unavailable(_), Caller::Credential(_) | Caller::Operator(_) | Caller::Anyone) => {
                AccountRefused::Unavailable("`bitrouter status` on its machine says why".to_owned())
            }
            (refused, _) => refused,
        };
        account_refused(&snapshot.account, refused)
    })?;
    match given {
        AccountCredential::Token(token) => {
            let is_at_issuer =
                |snapshot: &Snapshot| snapshot.catalog.account().is_some_and(|provider| is_at_issuer(provider, &token));
            if !is_at_issuer(snapshot) {
                *snapshot = gateway.snapshot();
            }
            if !is_at_issuer(snapshot) {
                return Err(changing());
            }
            Ok(Taken::Token(token))
        }
        AccountCredential::OwnNode(principal) => {
            if matches!(context.caller, Caller::Keyless { .. }) {
                context.caller = Caller::Credential(principal);
            }
            if may_call_models(context.caller) { Ok(Taken::OwnNode) } else { Err(missing_scope()) }
        }
    }
}

fn is_at_issuer(provider: &Provider, token: &AccountToken) -> bool {
    provider.account_server().is_some_and(|server| server == token.issuer.trim_end_matches('/'))
}

/// A request as it is sent once more with another token.
pub(super) struct Again {
    token: AccountToken,
    auth_header: HeaderName,
    auth_prefix: String,
    parts: Parts,
    body: Pieces,
}

impl Again {
    pub(super) fn new(token: &AccountToken, target: &Target, parts: &Parts, body: &Pieces) -> Self {
        Self {
            token: token.clone(),
            auth_header: target.auth_header.clone(),
            auth_prefix: target.auth_prefix.clone(),
            parts: parts.clone(),
            body: body.clone(),
        }
    }

    /// Another body is sent.
    pub(super) fn set_body(&mut self, body: Pieces) {
        self.body = body;
    }

    /// The token that the request was sent with last.
    pub(super) fn token(&self) -> &SecretString {
        &self.token.token
    }

    /// The request with `token`; `None` where no header can carry it.
    fn with(&mut self, token: AccountToken) -> Option<Request<RequestBody>> {
        let auth = credential(&self.auth_prefix, &token.token)?;
        self.token = token;
        let mut parts = self.parts.clone();
        parts.headers.insert(self.auth_header.clone(), auth);
        Some(Request::from_parts(parts, RequestBody::from(self.body.clone())))
    }
}

/// What becomes of a call of the account: where its server refused the token, the call is made once more with a renewed one,
/// if there is one. Nothing has gone to the caller yet.
pub(super) async fn call_account_again(
    gateway: &Gateway,
    limits: &Limits,
    context: &RequestContext,
    call: &mut Call,
    recorder: &mut RequestRecorder,
    outcome: Result<Outcome, CallError>,
) -> Result<Outcome, CallError> {
    let (Ok(Outcome::Error { parts, .. }), Some(again)) = (&outcome, &mut call.again) else { return outcome };
    if parts.status != StatusCode::UNAUTHORIZED {
        return outcome;
    }
    // It was refused: nothing was used until it is sent again.
    recorder.set_sent(None);
    let limit = total(context.started, limits);
    let renewed =
        within(gateway.account.renewed(&again.token), &gateway.interrupt, &*context.connection, || limit).await;
    let renewed = renewed.map_err(CallError::Wait)?;
    if renewed.is_none()
        && let Ok(Err(refused @ AccountRefused::Ended(_))) =
            within(gateway.account.credential(), &gateway.interrupt, &*context.connection, || limit).await
    {
        let account = &gateway.snapshot().account;
        return Err(CallError::SessionEnded(Box::new(account_refused(account, refused))));
    }
    // Another server's token is never sent where this one was.
    let Some(token) = renewed.filter(|token| token.issuer == again.token.issuer) else { return outcome };
    let Some(request) = again.with(token) else { return outcome };
    call.request = Some(request);
    drop(outcome);
    call_provider(gateway, limits, context, call, recorder).await
}

/// The model behind the account's id names the account again, which the own node would ask itself for without end.
pub(super) fn account_loop() -> InferenceError {
    let message = "the account is signed in to this very node, so that what stands behind `bitrouter:` is resolved here; \
                   it must not name the account again";
    InferenceError::new(InferenceCode::LoopDetected, message).with_param("model")
}

fn too_late(over: WaitError) -> InferenceError {
    match over {
        WaitError::ShuttingDown => InferenceError::new(InferenceCode::Unavailable, "the daemon is stopping"),
        WaitError::Deadline(limit) => InferenceError::new(
            InferenceCode::UpstreamTimeout,
            format!("the account's credential took longer than `[timeouts] {limit}`"),
        ),
    }
}

/// Another account was signed in to a moment ago.
fn changing() -> InferenceError {
    InferenceError::new(InferenceCode::Unavailable, "the account's server is changing; try again in a moment")
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}
