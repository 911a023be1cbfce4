//! Signing in with a code in a browser (RFC 8628), by the polling loop of the `oauth2` crate.
//!
//! That loop ends on whatever is no error of OAuth. So its HTTP client says of a 5xx, a 429 and a reply without JSON what
//! they are to a person who is about to click "approve": trouble on the way, to be tried again until the code expires.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bitrouter_proto::{account::ScopeSet, clock, codes::Reason};
use http::{Method, Response, StatusCode, header};
use oauth2::{
    AsyncHttpClient, Client, ClientId, DeviceAuthorizationUrl, DeviceCodeErrorResponse, DeviceCodeErrorResponseType,
    ExtraTokenFields, HttpRequest, HttpResponse, RequestTokenError, Scope, StandardDeviceAuthorizationResponse,
    StandardRevocableToken, StandardTokenResponse, TokenResponse as _, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{
    AccountError, Inner, SignInEvent,
    clocks::chance,
    http::{Body, Call, CallError, LocalUid, shown},
    metadata::{Metadata, unreachable},
    reply::{Tokens, fits_header, subject_of, words},
    shown::command,
};

/// How long one poll may take.
const POLL: Duration = Duration::from_secs(30);
/// How often is said that nobody has approved yet.
const SAY: Duration = Duration::from_secs(5);
/// What a server without a list of scopes may not know.
const NEWER_SCOPE: &str = "account:read";
/// What every release of the public service knows.
const KNOWN_SCOPES: &str = "inference:invoke usage:read keys:read keys:write billing:read policy:read policy:write \
                            byok:read byok:write namespace:read";

/// The members of a reply that RFC 6749 does not have.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct More {
    #[serde(default)]
    refresh_token_expires_in: Option<u64>,
    #[serde(default)]
    namespace_id: Option<String>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    id_token: Option<String>,
}

impl ExtraTokenFields for More {}

type SessionTokens = StandardTokenResponse<More, BasicTokenType>;

type GrantClient = Client<
    BasicErrorResponse,
    SessionTokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// What the tokens are for (RFC 8707 §2).
const RESOURCE: &str = "resource";

/// What somebody is asked to approve.
pub(super) struct Grant<'a> {
    /// The server as people know it.
    pub(super) server: &'a str,
    /// Where it is asked.
    pub(super) metadata: &'a Metadata,
    pub(super) client_id: &'a str,
    pub(super) scope: &'a str,
    /// What the tokens are to be for, where the server wants it said.
    pub(super) resource: Option<&'a str>,
}

/// What a person approved.
pub(super) struct Approved {
    pub(super) tokens: Tokens,
    /// The scopes that were asked for.
    pub(super) scope: String,
}

/// Our HTTP client as the `oauth2` crate calls it.
struct Wire<'a> {
    keeper: &'a Inner,
    uid: LocalUid,
    /// What went wrong at the last call, where it decided nothing.
    trouble: Mutex<Option<AccountError>>,
    /// The status of the last reply that decided something.
    status: Mutex<Option<u16>>,
}

/// That a call decided nothing; [`Wire::trouble`] says what happened.
#[derive(Debug, thiserror::Error)]
#[error("no reply that decides anything")]
struct Undecided;

impl<'c> AsyncHttpClient<'c> for Wire<'_> {
    type Error = Undecided;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Undecided>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answered = self.send(request).await;
            let (answer, trouble) = match answered {
                Ok(response) => (Ok(response), None),
                Err(trouble) => (Err(Undecided), Some(trouble)),
            };
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
            answer
        })
    }
}

impl Wire<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, AccountError> {
        let url = Url::parse(&request.uri().to_string())
            .map_err(|_| unreachable(&CallError::Unreachable("the endpoint is no URL".to_owned())))?;
        let form = String::from_utf8(request.into_body()).map(SecretString::from).unwrap_or_default();
        let call = Call {
            method: Method::POST,
            url: &url,
            body: Some(Body::Form(form)),
            once: None,
            bearer: None,
            within: POLL,
        };
        let reply = self.keeper.http.call(call, self.uid).await.map_err(|error| unreachable(&error))?;
        let (status, host) = (reply.status, shown(&url));
        let undecided = |what: &str| {
            let error = AccountError::new(Reason::ServerFailed, format!("`{host}` answered {status}{what}"));
            AccountError { status: Some(status), ..error }
        };
        if status >= 500 || status == 429 || (300..400).contains(&status) {
            return Err(undecided(""));
        }
        let document: serde_json::Value =
            serde_json::from_slice(reply.body.expose_secret()).map_err(|_| undecided(" with what is no JSON"))?;
        let serde_json::Value::Object(mut members) = document else {
            return Err(undecided(" without tokens or error"));
        };
        // What a reply holds decides, whatever its status: some servers send errors with 200.
        let is_error = members.get("error").is_some_and(serde_json::Value::is_string);
        let is_good = (200..300).contains(&status)
            && ["access_token", "device_code"].iter().any(|member| members.contains_key(*member));
        let token = members.get("access_token").and_then(serde_json::Value::as_str);
        if token.is_some_and(|token| !fits_header(token)) {
            return Err(undecided(" with a token that no header can carry"));
        }
        if !is_error && !is_good {
            return Err(undecided(" without tokens or error"));
        }
        members.entry("token_type").or_insert_with(|| "Bearer".into());
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
        // The crate takes only 200 for good, and only one type for JSON.
        let body = serde_json::to_vec(&members).unwrap_or_default();
        let mut response = Response::new(body);
        *response.status_mut() = if is_error { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        Ok(response)
    }

    fn trouble(&self) -> Option<AccountError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn status(&self) -> Option<u16> {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Signs in: returns what somebody approved. Dropping it ends the polling.
    pub(super) async fn device_grant(
        &self,
        grant: &Grant<'_>,
        uid: LocalUid,
        events: &mpsc::Sender<SignInEvent>,
    ) -> Result<Approved, AccountError> {
        let Grant { server, metadata, client_id, scope, resource } = *grant;
        let Some(device_url) = metadata.device_authorization.clone() else {
            let message = format!("`{server}` offers no sign-in with a code (no `device_authorization_endpoint`)");
            return Err(AccountError::new(Reason::ServerRefused, message));
        };
        let client = GrantClient::new(ClientId::new(client_id.to_owned()))
            .set_device_authorization_url(DeviceAuthorizationUrl::from_url(device_url))
            .set_token_uri(TokenUrl::from_url(metadata.token.clone()));
        let wire = Wire { keeper: self, uid, trouble: Mutex::default(), status: Mutex::default() };
        let mut asked = asked_scope(scope, metadata.lists_scopes);
        let mut was_refused = false;
        let code: StandardDeviceAuthorizationResponse = loop {
            let mut request =
                client.exchange_device_code().add_scopes(asked.split_whitespace().map(|s| Scope::new(s.to_owned())));
            if let Some(resource) = resource {
                request = request.add_extra_param(RESOURCE, resource.to_owned());
            }
            let error = match request.request_async(&wire).await {
                Ok(code) => break code,
                Err(error) => error,
            };
            let is_about_scopes = matches!(
                &error,
                RequestTokenError::ServerResponse(said) if *said.error() == BasicErrorResponseType::InvalidScope
            );
            match known_scope(scope).filter(|_| is_about_scopes && !was_refused) {
                Some(known) => (was_refused, asked) = (true, known),
                None => return Err(not_begun(server, &wire, &error)),
            }
        };
        let lifetime = code.expires_in().max(Duration::from_secs(1));
        let told = SignInEvent::Code {
            verification_uri: code.verification_uri().to_string(),
            verification_uri_complete: code.verification_uri_complete().map(|uri| uri.secret().clone()),
            user_code: code.user_code().secret().clone(),
            expires_in: lifetime.as_secs(),
        };
        // Whoever asked may be gone; then this is dropped.
        let _ = events.send(told).await;
        let until = clock::after(lifetime);
        let polling = async {
            tokio::time::sleep(pace(code.interval())).await;
            let mut request = client.exchange_device_access_token(&code);
            if let Some(resource) = resource {
                request = request.add_extra_param(RESOURCE, resource.to_owned());
            }
            // Trouble on the way halves the pace (RFC 8628 §3.5), once: a person waits.
            let request = request.set_max_backoff_interval(code.interval() * 2);
            request.request_async(&wire, |interval| tokio::time::sleep(pace(interval)), Some(lifetime)).await
        };
        let saying = async {
            loop {
                let remaining = until.saturating_duration_since(clock::monotonic_now());
                let event = SignInEvent::Waiting {
                    remaining_s: remaining.as_secs(),
                    trouble: wire.trouble().map(|trouble| trouble.message),
                };
                // Somebody who does not read misses some of them.
                let _ = events.try_send(event);
                tokio::time::sleep(SAY.min(remaining.max(Duration::from_secs(1)))).await;
            }
        };
        let polled = tokio::select! {
            polled = tokio::time::timeout(lifetime, polling) => polled,
            () = saying => return Err(AccountError::new(Reason::Internal, "the wait ended")),
        };
        let login = command(None, Some(server), &self.default_server.load());
        match polled {
            Ok(Ok(tokens)) => Ok(Approved { tokens: of_reply(&tokens), scope: asked }),
            Ok(Err(error)) => Err(not_approved(server, &login, &error)),
            Err(_) => Err(expired(&login, wire.trouble())),
        }
    }
}

/// The scopes to ask for.
fn asked_scope(scope: &str, lists_scopes: bool) -> String {
    let words = scope.split_whitespace().filter(|word| lists_scopes || *word != NEWER_SCOPE);
    words.collect::<Vec<_>>().join(" ")
}

/// What a server of any age knows of a set of scopes that it refused: of the usual set the older usual one, of another set
/// what is in it, and never more. `None` where that is no other set.
fn known_scope(scope: &str) -> Option<String> {
    if scope == ScopeSet::DEFAULT.to_string() {
        return Some(KNOWN_SCOPES.to_owned());
    }
    let known: Vec<&str> = scope.split_whitespace().filter(|word| !word.starts_with("account:")).collect();
    (!known.is_empty() && known.len() < scope.split_whitespace().count()).then(|| known.join(" "))
}

/// How long to wait before the next poll: somewhat longer than the server asks, as it counts in its own time.
fn pace(interval: Duration) -> Duration {
    interval.mul_f64(1.2).max(Duration::from_secs(1)) + Duration::from_millis(250).mul_f64(chance())
}

fn of_reply(tokens: &SessionTokens) -> Tokens {
    let more = tokens.extra_fields();
    let scope = tokens.scopes().map(|scopes| scopes.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" "));
    Tokens {
        access_token: tokens.access_token().secret().clone().into(),
        lifetime: tokens.expires_in().unwrap_or(Duration::from_hours(1)),
        refresh_token: tokens.refresh_token().map(|token| token.secret().clone().into()),
        refresh_lifetime: more.refresh_token_expires_in.map(Duration::from_secs),
        token_type: None,
        scope: scope.filter(|scope| !scope.is_empty()),
        namespace_id: more.namespace_id.clone(),
        subject: more.sub.clone().or_else(|| more.id_token.as_deref().and_then(subject_of)),
    }
}

/// The server gave no code.
fn not_begun(server: &str, wire: &Wire<'_>, error: &RequestTokenError<Undecided, BasicErrorResponse>) -> AccountError {
    match error {
        RequestTokenError::ServerResponse(said) => {
            let code = said.error().as_ref().to_owned();
            let message = words(said.error_description().map(String::as_str), &code);
            let error = AccountError::new(Reason::ServerRefused, format!("`{server}` refused the sign-in: {message}"));
            AccountError { status: wire.status(), ..error }
        }
        RequestTokenError::Request(Undecided) => {
            let unanswered = || AccountError::new(Reason::ServerFailed, format!("`{server}` did not answer"));
            let trouble = wire.trouble().unwrap_or_else(unanswered);
            let is_refused = trouble.status.is_some_and(|status| (400..500).contains(&status));
            AccountError { reason: if is_refused { Reason::ServerRefused } else { trouble.reason }, ..trouble }
        }
        // Their texts can hold what the server sent.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            AccountError::new(Reason::ServerFailed, format!("`{server}` answered with what is no code to sign in with"))
        }
    }
}

/// Nobody approved.
fn not_approved(
    server: &str,
    login: &str,
    error: &RequestTokenError<Undecided, DeviceCodeErrorResponse>,
) -> AccountError {
    let message = match error {
        RequestTokenError::ServerResponse(said) => match said.error() {
            DeviceCodeErrorResponseType::ExpiredToken => return expired(login, None),
            DeviceCodeErrorResponseType::AccessDenied => "the sign-in was denied".to_owned(),
            other => {
                let said = words(said.error_description().map(String::as_str), other.as_ref());
                format!("`{server}` ended the sign-in: {said}")
            }
        },
        RequestTokenError::Request(_) | RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            format!("`{server}` answered with what are no tokens")
        }
    };
    AccountError::new(Reason::ServerFailed, message).with_command(login)
}

fn expired(login: &str, trouble: Option<AccountError>) -> AccountError {
    let mut message = "the code expired before anybody approved it".to_owned();
    if let Some(trouble) = trouble {
        message = format!("{message}; the last try failed: {}", trouble.message);
    }
    AccountError::new(Reason::ServerFailed, message).with_command(login)
}
