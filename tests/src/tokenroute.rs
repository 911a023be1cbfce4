//! A server as tokenroute's is (<https://docs.tokenroute.io/docs/api-reference>): `/api/v1` with the tokens of a session, `/v1`
//! with its keys, and a document that says where tokens are. The issuer has an address of its own, rotates refresh tokens, and
//! gives none to whom does not say what they are for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use crate::{Provider, Reply, User, provider::Request};

/// The server and its issuer. Cloning shares both.
#[derive(Clone, Debug)]
pub struct Tokenroute {
    api: Arc<Provider>,
    issuer: Arc<Provider>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    lifetime: u64,
    is_approved: bool,
    made: usize,
    access: Option<String>,
    refresh: Option<String>,
    /// How many times tokens were renewed.
    renewals: usize,
    /// Keys by id: name, key, status.
    keys: BTreeMap<String, (String, String, &'static str)>,
    /// Every path of `/api/v1` answers so.
    instead: Option<(u16, String)>,
    issuer: String,
    /// What its tokens are for: itself.
    resource: String,
    /// What its document says that they are for.
    claimed: String,
    /// Where a device asks for a code, below the issuer.
    device: &'static str,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tokenroute {
    /// A server whose listeners belong to `user`, with tokens that live for `lifetime` seconds.
    pub fn start(user: User, lifetime: u64) -> Self {
        let (api, issuer) = (Provider::start_as(user, 0), Provider::start_as(user, 0));
        let shared = Arc::new(Mutex::new(Shared {
            lifetime,
            is_approved: false,
            made: 0,
            access: None,
            refresh: None,
            renewals: 0,
            keys: BTreeMap::new(),
            instead: None,
            issuer: format!("http://{}/oidc", issuer.addr()),
            resource: format!("http://{}", api.addr()),
            claimed: format!("http://{}", api.addr()),
            device: "device/auth",
        }));
        let answering = Arc::clone(&shared);
        api.always(move |request| lock(&answering).api(request));
        let answering = Arc::clone(&shared);
        issuer.always(move |request| lock(&answering).issue(request));
        Self { api: Arc::new(api), issuer: Arc::new(issuer), shared }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.api.addr())
    }

    /// Its document says that its tokens come from the node at `issuer`, for `resource`.
    pub fn claim(&self, issuer: &str, resource: &str) {
        let mut shared = lock(&self.shared);
        shared.device = "device_authorization";
        (shared.issuer, shared.claimed) = (issuer.to_owned(), resource.to_owned());
    }

    /// That of its issuer.
    pub fn issuer(&self) -> String {
        lock(&self.shared).issuer.clone()
    }

    /// Everything that arrived at the server.
    pub fn api(&self) -> &Provider {
        &self.api
    }

    /// The bodies of the requests for codes and tokens, in order.
    pub fn asked(&self) -> Vec<String> {
        let exchanges = (0..self.issuer.count()).map(|number| self.issuer.exchange(number));
        exchanges.map(|exchange| String::from_utf8_lossy(&exchange.request.body).into_owned()).collect()
    }

    /// The person approves what is or will be asked.
    pub fn approve(&self) {
        lock(&self.shared).is_approved = true;
    }

    /// How many times tokens were renewed.
    pub fn renewals(&self) -> usize {
        lock(&self.shared).renewals
    }

    /// Every path of `/api/v1` answers so, but for the document; `None`: as it should.
    pub fn instead(&self, answer: Option<(u16, &str)>) {
        lock(&self.shared).instead = answer.map(|(status, text)| (status, text.to_owned()));
    }

    /// The tokens that are out.
    pub fn secrets(&self) -> Vec<String> {
        let shared = lock(&self.shared);
        shared.access.iter().chain(&shared.refresh).cloned().collect()
    }
}

/// An error, as the server says it.
fn refused(status: u16, message: &str) -> Reply {
    let kind = if status == 401 { "authentication_error" } else { "invalid_request_error" };
    Reply::json(status, json!({"error": {"message": message, "type": kind, "code": status}}).to_string())
}

impl Shared {
    fn api(&mut self, request: &Request) -> Reply {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if path == "/api/v1/auth/discovery" {
            return Reply::json(200, self.document().to_string());
        }
        if path.starts_with("/v1/") {
            return self.model(request, path);
        }
        if request.key().is_none_or(|key| self.access.as_deref() != Some(key)) {
            return refused(401, "Invalid or missing JWT");
        }
        if let Some((status, text)) = &self.instead {
            return Reply::json(*status, text);
        }
        self.account(request, path, query)
    }

    fn document(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer, "client_id": "far-cli", "resource": self.claimed, "scopes": ["openid", "offline_access"],
            "device_authorization_endpoint": format!("{issuer}/{}", self.device), "token_endpoint": format!("{issuer}/token"),
        })
    }

    fn account(&mut self, request: &Request, path: &str, query: &str) -> Reply {
        let reply = match (request.method.as_str(), path) {
            ("GET", "/api/v1/me") => json!({
                "id": "f4a8", "display_name": "Agent", "email": "agent@example.com", "logto_sub": "logto_xyz",
                "balance_usd": "5", "status": "active",
            }),
            ("GET", "/api/v1/balance") => json!({"balance_usd": "5.00", "currency": "USD"}),
            ("POST", "/api/v1/me/keys") => {
                let name = request.json()["name"].as_str().expect("a name").to_owned();
                let id = format!("key-{}", self.keys.len());
                let raw = format!("sk-tr-{id}-Zq7wLr9KxVb2NmYc5HsPd8Jf3GgRa6Eu");
                self.keys.insert(id.clone(), (name.clone(), raw.clone(), "active"));
                json!({"id": id, "name": name, "key_prefix": "sk-tr-key", "raw": raw, "balance_usd": "0", "later": 1})
            }
            ("GET", "/api/v1/me/keys") => self
                .keys
                .iter()
                .map(|(id, (name, _, status))| {
                    json!({"id": id, "name": name, "key_prefix": "sk-tr-key", "status": status, "balance_usd": "0"})
                })
                .collect(),
            ("POST", "/api/v1/topup") => {
                let amount = request.json()["amount_usd"].as_str().expect("a text").to_owned();
                json!({
                    "checkout_url": "https://checkout.stripe.com/c/pay/far", "session_id": "cs_far", "amount_usd": amount,
                    "expires_at": 1_700_000_000,
                })
            }
            ("GET", "/api/v1/me/usage") => {
                let days: u32 = query.strip_prefix("days=").and_then(|days| days.parse().ok()).expect("a number of days");
                json!({
                    "range_days": days, "total_requests": 142, "total_tokens_in": 12450, "total_tokens_out": 3200,
                    "total_cost_usd": "0.18",
                })
            }
            ("DELETE", _) => match path.strip_prefix("/api/v1/me/keys/").and_then(|id| self.keys.get_mut(id)) {
                Some(key) => {
                    key.2 = "revoked";
                    return Reply::with(204, &[], "");
                }
                None => return refused(404, "Key not found"),
            },
            _ => return refused(404, "Not Found"),
        };
        Reply::json(200, reply.to_string())
    }

    /// `/v1`, which the keys open.
    fn model(&self, request: &Request, path: &str) -> Reply {
        let key = request.key().unwrap_or_default();
        let is_good = self.keys.values().any(|(_, raw, status)| raw == key && *status == "active");
        if !is_good {
            return refused(401, &format!("Invalid API key: {key}"));
        }
        match path {
            "/v1/models" => Reply::json(
                200,
                json!({"object": "list", "data": [
                    {"id": "openai/gpt-4o-mini", "owned_by": "openai", "input_usd_per_1k": 0.00015, "output_usd_per_1k": 0.0006},
                ]})
                .to_string(),
            ),
            _ if request.model() == "far/broken" => refused(503, "No upstream is there"),
            _ => Reply::json(
                200,
                json!({
                    "id": "c", "object": "chat.completion", "created": 1, "model": request.model(),
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": "OK"}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
                })
                .to_string(),
            ),
        }
    }

    fn issue(&mut self, request: &Request) -> Reply {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let has = |name: &str, value: &str| body.split('&').any(|pair| pair == format!("{name}={value}"));
        let no = |code: &str| Reply::json(400, json!({"error": code}).to_string());
        if !has("client_id", "far-cli") || !has("resource", &self.resource.replace(':', "%3A").replace('/', "%2F")) {
            return no("invalid_target");
        }
        match request.target.as_str() {
            "/oidc/device/auth" => {
                let issuer = &self.issuer;
                Reply::json(
                    200,
                    json!({
                        "device_code": "device-code-of-the-issuer", "user_code": "NHWB-FGSR",
                        "verification_uri": format!("{issuer}/device"), "expires_in": 600, "interval": 1,
                    })
                    .to_string(),
                )
            }
            "/oidc/token" if has("grant_type", "refresh_token") => match self.refresh.clone() {
                Some(refresh) if has("refresh_token", &refresh) => {
                    self.renewals += 1;
                    self.tokens()
                }
                _ => no("invalid_grant"),
            },
            "/oidc/token" if !has("device_code", "device-code-of-the-issuer") => no("invalid_grant"),
            "/oidc/token" if self.is_approved => self.tokens(),
            "/oidc/token" => no("authorization_pending"),
            _ => Reply::json(404, r#"{"message":"there is nothing here"}"#),
        }
    }

    fn tokens(&mut self) -> Reply {
        self.made += 1;
        let (access, refresh) = (
            format!("eyJ.far{:04}.QZt7wLr9KxVb2NmYc5HsPd8Jf3GgRa6Eu1To0Ii4", self.made),
            format!("refresh{:04}QZt7wLr9KxVb2NmYc5HsPd8Jf3GgRa6Eu1To0Ii4", self.made),
        );
        (self.access, self.refresh) = (Some(access.clone()), Some(refresh.clone()));
        let tokens = json!({
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": self.lifetime,
            // {"sub":"logto_xyz"}
            "id_token": "e30.eyJzdWIiOiJsb2d0b194eXoifQ.x",
        });
        Reply::json(200, tokens.to_string())
    }
}
