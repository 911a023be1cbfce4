//! `AuthService`.

use std::{pin::Pin, sync::Arc};

use bitrouter_node::oauth::ClientId;
use bitrouter_proto::{
    account::{DEFAULT_CLIENT, Identity, ScopeSet, credential::Credential},
    codes::Reason,
    env::BITROUTER_API_KEY,
    wire::{
        LoginCode, LoginDone, LoginRequest, LoginResponse, LoginWaiting, LogoutRequest, LogoutResponse, WhoAmIRequest,
        WhoAmIResponse, auth_service_server::AuthService, login_request::How, login_response::Event,
    },
};
use futures_util::{Stream, StreamExt as _, stream};
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{account::Account, error};
use crate::credentials::{AccountError, SignIn, SignInEvent, SignedIn};

/// Events of a sign-in that wait for a client to take them.
const WAITING: usize = 16;

pub(super) struct Service {
    account: Account,
    /// Cancelled where the daemon takes no new work.
    draining: CancellationToken,
}

impl Service {
    pub(super) fn new(account: Account, draining: CancellationToken) -> Self {
        Self { account, draining }
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<LoginResponse, Status>> + Send>>;

#[tonic::async_trait]
impl AuthService for Service {
    type LoginStream = Messages;

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<Messages>, Status> {
        let how = self.how(request.into_inner())?;
        let (events, told) = mpsc::channel(WAITING);
        let account = self.account.clone();
        let signing_in = async move {
            let done = account.credentials.sign_in(how, events).await;
            account.take_effect().await;
            done.map(|done| done_message(&account, &done)).map_err(|error| account.refused(error, false))
        };
        Ok(Response::new(Box::pin(messages(signing_in, told, self.draining.clone()))))
    }

    async fn logout(&self, _: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        let done = self.account.credentials.sign_out().await;
        self.account.take_effect().await;
        let done = done.map_err(|error: AccountError| self.account.refused(error, false))?;
        Ok(Response::new(LogoutResponse {
            was_signed_in: done.was_signed_in,
            not_revoked: done.not_revoked.unwrap_or_default(),
            credentials_path: self.account.credentials.path().display().to_string(),
        }))
    }

    async fn who_am_i(&self, request: Request<WhoAmIRequest>) -> Result<Response<WhoAmIResponse>, Status> {
        let WhoAmIRequest { api_key, api_url } = request.into_inner();
        let credentials_path = self.account.credentials.path().display().to_string();
        if let Some(key) = self.account.key(api_key, &api_url)? {
            let identity = Identity::of_variable(BITROUTER_API_KEY, &key.server);
            let identity = Some(self.account.known(identity, &key.key).await.into());
            return Ok(Response::new(WhoAmIResponse { identity, credentials_path, problem: String::new() }));
        }
        let session = self.account.credentials.look().await;
        let mut identity = self.account.identity(&session);
        if let (Some(stored), Some(Credential::ApiKey(key))) = (&identity, session.credential.as_deref()) {
            identity = Some(self.account.known(stored.clone(), &key.api_key).await);
        }
        Ok(Response::new(WhoAmIResponse {
            identity: identity.map(Into::into),
            credentials_path,
            problem: session.problem.clone().unwrap_or_default(),
        }))
    }
}

impl Service {
    /// What was asked for, with what nobody said filled in.
    fn how(&self, request: LoginRequest) -> Result<SignIn, Status> {
        let defaults = self.account.defaults();
        let or = |said: String, otherwise: String| if said.is_empty() { otherwise } else { said };
        Ok(match request.how {
            Some(How::Device(device)) if !device.api_url.is_empty() => SignIn::Discovered {
                api_url: device.api_url,
                client_id: Some(device.client_id).filter(|id| !id.is_empty()),
                scope: Some(device.scope).filter(|scope| !scope.is_empty()),
                otherwise: (defaults.client_id, defaults.scope.unwrap_or_else(|| ScopeSet::DEFAULT.to_string())),
            },
            Some(How::Device(device)) => SignIn::Device {
                oauth_as: or(device.oauth_as, defaults.oauth_as),
                client_id: or(device.client_id, defaults.client_id),
                scope: or(device.scope, defaults.scope.unwrap_or_else(|| ScopeSet::DEFAULT.to_string())),
            },
            Some(How::Keyed(keyed)) => SignIn::ApiKey {
                api_key: SecretString::from(keyed.api_key),
                base_url: or(keyed.base_url, defaults.oauth_as),
            },
            Some(How::Local(local)) => SignIn::Local {
                namespace: (!local.namespace.is_empty()).then_some(local.namespace),
                scope: or(local.scope, defaults.scope.unwrap_or_default()),
                // A client that is registered elsewhere is none here.
                client_id: match ClientId::parse(&defaults.client_id) {
                    Some(ClientId::BuiltIn(id)) => id,
                    Some(ClientId::Registered(_)) | None => DEFAULT_CLIENT,
                }
                .to_owned(),
            },
            None => {
                return Err(error::status(Reason::InvalidArgument, "the request does not say how to sign in", None));
            }
        })
    }
}

/// The stream of a sign-in, which runs as long as its stream is held: a client that goes away ends it.
fn messages(
    signing_in: impl Future<Output = Result<LoginDone, Status>> + Send,
    told: mpsc::Receiver<SignInEvent>,
    draining: CancellationToken,
) -> impl Stream<Item = Result<LoginResponse, Status>> + Send {
    let running = Running { signing_in: Box::pin(signing_in), told, draining, ended: None };
    stream::unfold(Some(running), async |running| {
        let mut running = running?;
        let message = running.next().await;
        let goes_on = matches!(&message, Ok(Event::Code(_) | Event::Waiting(_)));
        let message = message.map(|event| LoginResponse { event: Some(event) });
        Some((message, goes_on.then_some(running)))
    })
    .fuse()
}

struct Running<F> {
    signing_in: Pin<Box<F>>,
    told: mpsc::Receiver<SignInEvent>,
    draining: CancellationToken,
    /// How it ended, while what was told before has to be passed on.
    ended: Option<Result<LoginDone, Status>>,
}

impl<F: Future<Output = Result<LoginDone, Status>>> Running<F> {
    async fn next(&mut self) -> Result<Event, Status> {
        if self.ended.is_none() {
            tokio::select! {
                biased;
                Some(event) = self.told.recv() => return Ok(wire_event(event)),
                ended = &mut self.signing_in => self.ended = Some(ended),
                () = self.draining.cancelled() => {
                    let message = "the daemon is stopping; nobody was signed in";
                    return Err(error::status(Reason::Draining, message, Some("bitrouter auth login")));
                }
            }
        }
        match self.told.try_recv() {
            Ok(event) => Ok(wire_event(event)),
            Err(_) => match self.ended.take() {
                Some(ended) => ended.map(Event::Done),
                None => Err(error::status(Reason::Internal, "the sign-in has ended before", None)),
            },
        }
    }
}

fn wire_event(event: SignInEvent) -> Event {
    match event {
        SignInEvent::Code { verification_uri, verification_uri_complete, user_code, expires_in } => {
            Event::Code(LoginCode {
                verification_uri,
                verification_uri_complete: verification_uri_complete.unwrap_or_default(),
                user_code,
                expires_in,
            })
        }
        SignInEvent::Waiting { remaining_s, trouble } => {
            Event::Waiting(LoginWaiting { remaining_s, trouble: trouble.unwrap_or_default() })
        }
    }
}

fn done_message(account: &Account, done: &SignedIn) -> LoginDone {
    LoginDone {
        identity: account.identity(&Arc::clone(&done.session)).map(Into::into),
        put_aside: done.put_aside.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::codes::DOMAIN;
    use tonic_types::StatusExt as _;

    use super::*;

    fn waiting(remaining_s: u64) -> SignInEvent {
        SignInEvent::Waiting { remaining_s, trouble: None }
    }

    fn told(message: Option<Result<LoginResponse, Status>>) -> Event {
        message.unwrap().unwrap().event.unwrap()
    }

    #[tokio::test]
    async fn what_was_told_comes_before_the_end_and_nothing_after_it() {
        let (events, told_events) = mpsc::channel(4);
        let signing_in = async move {
            for remaining in [3, 2, 1] {
                events.try_send(waiting(remaining)).unwrap();
            }
            Ok(LoginDone { put_aside: "p".to_owned(), ..LoginDone::default() })
        };
        let mut stream = Box::pin(messages(signing_in, told_events, CancellationToken::new()));
        for remaining in [3, 2, 1] {
            assert!(matches!(told(stream.next().await), Event::Waiting(told) if told.remaining_s == remaining));
        }
        assert!(matches!(told(stream.next().await), Event::Done(done) if done.put_aside == "p"));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_refusal_ends_the_stream() {
        let (_events, told) = mpsc::channel(1);
        let signing_in = async { Err(error::status(Reason::ServerFailed, "the sign-in was denied", None)) };
        let mut stream = Box::pin(messages(signing_in, told, CancellationToken::new()));
        let refused = stream.next().await.unwrap().unwrap_err();
        let info = refused.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("SERVER_FAILED", DOMAIN));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn draining_ends_it_and_so_does_a_client_that_goes_away() {
        let dropped = CancellationToken::new();
        let begin = |draining: &CancellationToken| {
            let (events, told) = mpsc::channel(1);
            let ended = dropped.clone().drop_guard();
            let signing_in = async move {
                let _both = (events, ended);
                std::future::pending().await
            };
            Box::pin(messages(signing_in, told, draining.clone()))
        };
        let draining = CancellationToken::new();
        let mut stream = begin(&draining);
        draining.cancel();
        let refused = stream.next().await.unwrap().unwrap_err();
        assert_eq!(refused.get_details_error_info().unwrap().reason, Reason::Draining.as_str());
        assert!(dropped.is_cancelled(), "nothing polls any more");
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_dropped_stream_drops_the_sign_in() {
        let dropped = CancellationToken::new();
        let (events, told) = mpsc::channel(1);
        let ended = dropped.clone().drop_guard();
        let signing_in = async move {
            let _both = (events, ended);
            std::future::pending().await
        };
        let mut stream = Box::pin(messages(signing_in, told, CancellationToken::new()));
        assert!(futures_util::poll!(stream.next()).is_pending());
        assert!(!dropped.is_cancelled());
        drop(stream);
        assert!(dropped.is_cancelled());
    }
}
