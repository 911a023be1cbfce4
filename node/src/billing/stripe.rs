//! Stripe's HTTP API, as far as a purchase needs it (<https://docs.stripe.com/api>): forms in, JSON out.
//!
//! The version is pinned: what a newer account's default would change is not asked for.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{event::id_of, metadata::Purchase};
use crate::{
    http::error::{ApiError, Code},
    outbound::{Outbound, OutboundError},
    secret::NodeKey,
    settings::StripeSettings,
};

/// The version of the API that is spoken (<https://docs.stripe.com/api/versioning>).
const VERSION: &str = "2025-03-31.basil";
/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(20);
/// Micro-USD of a cent.
pub(crate) const CENT: i64 = 10_000;

/// Stripe, as this node reaches it.
pub(super) struct Stripe<'a> {
    pub(super) settings: &'a StripeSettings,
    pub(super) outbound: &'a dyn Outbound,
}

/// A session as Stripe made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StripeSession {
    pub(super) id: String,
    pub(super) url: String,
    /// False where no money moves.
    pub(super) livemode: Option<bool>,
    pub(super) payment_intent: Option<String>,
}

/// Why Stripe did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StripeError {
    /// Nothing was sent, or what came of it is not known.
    #[error("no answer from Stripe: {0}")]
    Outbound(#[from] OutboundError),
    /// It knows the key no more, or the key may not do this.
    #[error("this node's key is refused by Stripe; whoever runs the node sets `[node.stripe] secret_key`")]
    Key,
    /// It has too much to do, or is doing this already.
    #[error("there is too much to do at Stripe ({0}); try again")]
    Busy(u16),
    /// It does not take what was asked.
    #[error("the session is refused by Stripe ({status}{what}); `bitrouter logs` on the node says more", what = told(.code.as_ref()))]
    Refused {
        /// Its status.
        status: u16,
        /// Its code, where it gave one.
        code: Option<String>,
    },
    /// It failed, and says so of this call for ever.
    #[error("the call failed at Stripe ({0}); try again")]
    Failed(u16),
    /// Its reply is none.
    #[error("the reply of Stripe cannot be read")]
    Unreadable,
}

fn told(code: Option<&String>) -> String {
    code.map(|code| format!(", {code}")).unwrap_or_default()
}

impl StripeError {
    /// True where nothing was made, and the same call would come to the same: it is not to be sent again under its key.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Outbound(OutboundError::Lost(_)) | Self::Busy(_))
    }
}

impl From<StripeError> for ApiError {
    fn from(error: StripeError) -> Self {
        let refused = Self::new(Code::Unavailable, error.to_string());
        match error {
            StripeError::Outbound(_) | StripeError::Busy(_) | StripeError::Failed(_) => refused.retry_after(5),
            StripeError::Key | StripeError::Refused { .. } | StripeError::Unreadable => refused,
        }
    }
}

impl Stripe<'_> {
    /// Makes a session of hosted checkout (<https://docs.stripe.com/api/checkout/sessions/create>). The same purchase asked for
    /// again is the same session.
    pub(super) async fn create_session(
        &self,
        purchase: &Purchase,
        node_id: &str,
        key: &NodeKey,
        console: &str,
    ) -> Result<StripeSession, StripeError> {
        let mut form = Form::default();
        form.add("mode", "payment");
        form.add("success_url", &format!("{console}?checkout=paid"));
        form.add("cancel_url", &format!("{console}?checkout=cancelled"));
        form.add("client_reference_id", &purchase.person.to_string());
        form.add("line_items[0][quantity]", "1");
        form.add("line_items[0][price_data][currency]", "usd");
        form.add("line_items[0][price_data][unit_amount]", &(purchase.amount.micros() / CENT).to_string());
        form.add("line_items[0][price_data][product_data][name]", "bitrouter credit");
        // Paid in dollars, so that a refund is in dollars too.
        form.add("adaptive_pricing[enabled]", "false");
        for (name, value) in purchase.metadata(node_id, key) {
            form.add(&format!("metadata[{name}]"), &value);
            // Its charges carry them too.
            form.add(&format!("payment_intent_data[metadata][{name}]"), &value);
        }
        let request = Request::post(format!("{}/v1/checkout/sessions", self.settings.api_base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("idempotency-key", purchase.checkout.to_string());
        let session = self.ask(request, Bytes::from(form.0)).await?;
        let text = |name: &str| session.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let url = text("url").filter(|url| opens_safely(url));
        let (Some(id), Some(url)) = (text("id"), url) else { return Err(StripeError::Unreadable) };
        Ok(StripeSession {
            id: id.to_owned(),
            url: url.to_owned(),
            livemode: session.get("livemode").and_then(Value::as_bool),
            payment_intent: session.get("payment_intent").and_then(id_of),
        })
    }

    /// What was refunded of a payment (<https://docs.stripe.com/api/refunds/list>).
    pub(super) async fn refunds_of(&self, payment_intent: &str) -> Result<Vec<Value>, StripeError> {
        let mut form = Form::default();
        form.add("payment_intent", payment_intent);
        form.add("limit", "100");
        let request = Request::get(format!("{}/v1/refunds?{}", self.settings.api_base, form.0));
        let mut list = self.ask(request, Bytes::new()).await?;
        match list.get_mut("data").map(Value::take) {
            Some(Value::Array(refunds)) => Ok(refunds),
            _ => Err(StripeError::Unreadable),
        }
    }

    async fn ask(&self, request: http::request::Builder, body: Bytes) -> Result<Value, StripeError> {
        let key = bearer(&self.settings.secret_key).ok_or(StripeError::Key)?;
        let request = request
            .header(header::AUTHORIZATION, key)
            .header(header::ACCEPT, "application/json")
            .header("stripe-version", VERSION)
            .body(body)
            // The address was checked when it was read.
            .map_err(|_| OutboundError::Unreachable("`[node.stripe] api_base` is no address".to_owned()))?;
        let method: Method = request.method().clone();
        let response = self.outbound.send(request, WITHIN).await.inspect_err(|error| {
            tracing::warn!(%error, %method, "Stripe was not reached");
        })?;
        let document: Option<Value> = serde_json::from_slice(response.body()).ok();
        if response.status() == StatusCode::OK {
            return document.ok_or(StripeError::Unreadable);
        }
        Err(refusal(&response, document.as_ref()))
    }
}

/// True for a page that may be opened: over https, or, where something plays Stripe, of this machine.
fn opens_safely(url: &str) -> bool {
    ["https://", "http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|start| url.starts_with(start))
}

/// What a reply that is no success means (<https://docs.stripe.com/api/errors>). Its message may quote a part of the key and
/// is not repeated.
fn refusal(response: &Response<Bytes>, document: Option<&Value>) -> StripeError {
    let status = response.status();
    let error = document.and_then(|document| document.get("error"));
    let word = |name: &str| {
        let text = error.and_then(|error| error.get(name)).and_then(Value::as_str);
        let is_word =
            |text: &&str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_[]".contains(&b));
        text.filter(is_word).map(str::to_owned)
    };
    let request = response.headers().get("request-id").and_then(|id| id.to_str().ok());
    let (kind, code, param) = (word("type"), word("code"), word("param"));
    tracing::warn!(status = status.as_u16(), ?kind, ?code, ?param, request, "Stripe refused a call");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => StripeError::Key,
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => StripeError::Busy(status.as_u16()),
        status if status.is_server_error() => StripeError::Failed(status.as_u16()),
        status => StripeError::Refused { status: status.as_u16(), code: code.or(kind) },
    }
}

fn bearer(key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a key moves money: `sk_live_…`, `rk_live_…`, or `…_test_…`. `None` where it does not say.
pub(super) fn livemode_of(key: &SecretString) -> Option<bool> {
    let (_, rest) = key.expose_secret().split_once('_')?;
    match rest.split_once('_')?.0 {
        "live" => Some(true),
        "test" => Some(false),
        _ => None,
    }
}

/// A form (application/x-www-form-urlencoded).
#[derive(Default)]
struct Form(String);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.word(name);
        self.0.push('=');
        self.word(value);
    }

    fn word(&mut self, word: &str) {
        for byte in word.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => self.0.push(char::from(byte)),
                _ => self.0.extend(['%', digit(byte >> 4), digit(byte & 15)]),
            }
        }
    }
}

fn digit(half: u8) -> char {
    char::from_digit(half.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_may_be_opened_are_passed_on() {
        for url in ["https://checkout.stripe.com/c/pay", "http://127.0.0.1:12/x", "http://localhost:12/x"] {
            assert!(opens_safely(url), "{url}");
        }
        for url in
            ["javascript:alert(1)", "http://pay.example/x", "file:///x", "http://localhost.example/", " https://x", ""]
        {
            assert!(!opens_safely(url), "{url}");
        }
    }

    #[test]
    fn a_key_says_whether_money_moves() {
        for (key, mode) in [
            ("sk_test_1", Some(false)),
            ("rk_live_1_2", Some(true)),
            ("sk_live_", Some(true)),
            ("sk_other_1", None),
            ("live", None),
        ] {
            assert_eq!(livemode_of(&key.into()), mode, "{key}");
        }
    }

    #[test]
    fn words_of_a_form_are_escaped() {
        let mut form = Form::default();
        form.add("a[b]", "c d&e=é");
        form.add("f", "");
        assert_eq!(form.0, "a%5Bb%5D=c%20d%26e%3D%C3%A9&f=");
    }
}
