//! `models` and `test`: what is listed at an address, and one small call there, with a key.

use std::time::Duration;

use bitrouter_proto::{
    account::{
        credential::same_server,
        everyday::{Model, TriedModel},
    },
    clock,
    codes::Reason,
};
use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tonic::Status;

use super::{super::account::told, Service, wrong};
use crate::credentials::{AccountError, Credentials, Place};

/// How long a list may take.
const LIST: Duration = Duration::from_secs(15);
/// How long the call may take.
const CALL: Duration = Duration::from_secs(30);
/// The most that it may say, tokens.
const MOST_TOKENS: u32 = 8;
/// What it is asked.
const PROMPT: &str = "Reply with the single word OK.";
/// Where a router says who served a call.
const PROVIDER: &str = "x-bitrouter-provider";

impl Service {
    /// Where models are called: at `base_url`, else here.
    pub(super) fn place<'a>(&'a self, base_url: &'a str) -> Place<'a> {
        if base_url.is_empty() { Place::Own(&self.http) } else { Place::At(base_url) }
    }

    /// Says whether `key` may go to `base_url`: what the own node gave out goes to no other server.
    ///
    /// # Errors
    /// Where it may not.
    pub(super) async fn may_bring(&self, base_url: &str, key: &str) -> Result<(), Status> {
        let own = self.credentials.own_issuer();
        let is_here = base_url.is_empty() || same_server(base_url, &self.http) || same_server(base_url, &own);
        if is_here || key.is_empty() || !self.credentials.is_own(&SecretString::from(key)).await {
            return Ok(());
        }
        let message = format!("the key is for `{own}`, and `{base_url}` is another server: nothing was sent there");
        Err(told(AccountError::new(Reason::Conflict, message)))
    }
}

#[derive(Deserialize)]
struct Listed {
    data: Box<RawValue>,
}

pub(super) async fn list(credentials: &Credentials, place: Place<'_>, key: String) -> Result<String, Status> {
    let key = present(key);
    let reply = credentials.model_call(place, key.as_ref(), "/models", None, LIST).await.map_err(told)?;
    let is_array = |json: &str| json.trim_start().starts_with('[');
    let data = match serde_json::from_str::<Listed>(&reply.json) {
        Ok(listed) if is_array(listed.data.get()) => listed.data.get().to_owned(),
        _ if is_array(&reply.json) => reply.json,
        _ => return Err(told(unreadable("list of models"))),
    };
    // Whoever reads it is promised models.
    serde_json::from_str::<Vec<Model>>(&data).map_err(|_| told(unreadable("list of models")))?;
    Ok(data)
}

/// What is read of a reply (OpenAI API reference, "Chat completions").
#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    model: Option<String>,
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

pub(super) async fn attempt(
    credentials: &Credentials,
    place: Place<'_>,
    key: String,
    model: &str,
) -> Result<TriedModel, Status> {
    if model.is_empty() {
        return Err(wrong("model", "the request names no model"));
    }
    let key = present(key);
    let body = json!({
        "model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": MOST_TOKENS,
    });
    let begun = clock::monotonic_now();
    let called = credentials.model_call(place, key.as_ref(), "/chat/completions", Some(body.to_string()), CALL).await;
    let latency = clock::monotonic_now().saturating_duration_since(begun);
    let reply = called.map_err(told)?;
    let completion: Completion = serde_json::from_str(&reply.json).map_err(|_| told(unreadable("reply of a model")))?;
    let first = completion.choices.into_iter().next().ok_or_else(|| told(unreadable("reply of a model")))?;
    let named = completion.model.filter(|named| !named.is_empty()).unwrap_or_else(|| model.to_owned());
    Ok(TriedModel {
        ok: true,
        provider: provider(&reply.headers, model),
        model: named,
        reply: first.message.content.unwrap_or_default(),
        latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Who served a call of `model`: who is said to, else whom its name begins with.
fn provider(headers: &HeaderMap, model: &str) -> Option<String> {
    let said = headers.get(PROVIDER).and_then(|value| value.to_str().ok()).filter(|said| !said.is_empty());
    let named = || model.split_once([':', '/']).map(|(provider, _)| provider).filter(|named| !named.is_empty());
    said.or_else(named).map(str::to_owned)
}

fn present(key: String) -> Option<SecretString> {
    (!key.is_empty()).then(|| SecretString::from(key))
}

fn unreadable(what: &str) -> AccountError {
    AccountError::new(Reason::ServerFailed, format!("the server answered with what is no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_who_is_said_to_be_or_the_models_prefix() {
        let mut headers = HeaderMap::new();
        for (model, expected) in [
            ("openai/gpt", Some("openai")),
            ("demo:echo", Some("demo")),
            ("a/b/c", Some("a")),
            ("gpt", None),
            ("/x", None),
        ] {
            assert_eq!(provider(&headers, model).as_deref(), expected, "{model}");
        }
        headers.insert(PROVIDER, "groq".parse().unwrap());
        assert_eq!(provider(&headers, "openai/gpt").as_deref(), Some("groq"));
    }
}
