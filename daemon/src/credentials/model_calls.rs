//! Calls of models at an address, with a key that somebody brings or without one: what `models` and `test` ask.

use std::time::Duration;

use bitrouter_gateway::ports::AccountToken;
use bitrouter_proto::codes::Reason;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    AccountError, Credentials,
    http::{Body, Call, LocalUid, Reply, shown},
    issuer::server_url,
    metadata::unreachable,
    reply::json_reply,
};

/// What stands for a key in the words of a server.
const REDACTED: &str = "[redacted]";

/// What was answered.
#[derive(Debug)]
pub(crate) struct ModelReply {
    /// JSON.
    pub(crate) json: String,
    /// Its headers.
    pub(crate) headers: HeaderMap,
}

/// Where models are called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// At this daemon's listener, `http://host:port`.
    Own(&'a str),
    /// At this address, with its version segment.
    At(&'a str),
}

impl Credentials {
    /// What stands at `path` of the models at `place`: reads it, or with a `body` calls it.
    ///
    /// # Errors
    /// Where nobody answers, or the answer is no success. The text never holds the key.
    pub(crate) async fn model_call(
        &self,
        place: Place<'_>,
        key: Option<&SecretString>,
        path: &str,
        body: Option<String>,
        within: Duration,
    ) -> Result<ModelReply, AccountError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let (url, reply) = match place {
            Place::Own(http) => {
                let url = address(&format!("{http}/v1"), path)?;
                let reply = self.at_own(method, &url, key, body, within).await?;
                (url, reply)
            }
            Place::At(base_url) => {
                let base = server_url(base_url)?;
                let url = address(&base, path)?;
                let call = Call {
                    method,
                    url: &url,
                    body: body.map(|json| Body::Json(json.into())),
                    once: None,
                    bearer: key,
                    within,
                };
                let uid = key.map_or(LocalUid::Any, |key| self.uid_at(&base, key));
                let reply = self.0.http.call(call, uid).await.map_err(|error| unreachable(&error))?;
                (url, reply)
            }
        };
        let reply = redacted(reply, key);
        let headers = reply.headers.clone();
        match json_reply(&reply, &shown(&url)) {
            Ok(json) => Ok(ModelReply { json, headers }),
            Err(error) => Err(without_key(error, key)),
        }
    }

    /// Our own listener, which is ours by our own word.
    async fn at_own(
        &self,
        method: Method,
        url: &Url,
        key: Option<&SecretString>,
        body: Option<String>,
        within: Duration,
    ) -> Result<Reply, AccountError> {
        let refused = |why: &str| AccountError::new(Reason::InvalidArgument, why.to_owned());
        let mut request = Request::builder().method(method).uri(url.as_str());
        request = request.header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = key {
            let value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()));
            let mut value = value.map_err(|_| refused("the key holds what no header can"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let body = body.map(Bytes::from).unwrap_or_default();
        let request = request.body(body).map_err(|_| refused("the address of the listener is none"))?;
        let response = self.0.http.pass_on(request, within).await.map_err(|error| unreachable(&error))?;
        let (head, body) = response.into_parts();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_vec().into() })
    }

    /// Whose listener must be at `base` on this machine before `key` goes there: the one that a session or key for it was bound to.
    fn uid_at(&self, base: &str, key: &SecretString) -> LocalUid {
        let server = base.strip_suffix("/v1").unwrap_or(base);
        self.0.uid_of(&AccountToken { token: key.clone(), issuer: server.into() })
    }
}

fn address(base: &str, path: &str) -> Result<Url, AccountError> {
    Url::parse(&format!("{base}{path}"))
        .map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{base}` is no URL")))
}

/// A refusal may repeat the key, also where its words are cut.
fn redacted(reply: Reply, key: Option<&SecretString>) -> Reply {
    let Some(key) = key.map(SecretString::expose_secret).filter(|key| !key.is_empty()) else { return reply };
    if (200..300).contains(&reply.status) {
        return reply;
    }
    let text = String::from_utf8_lossy(reply.body.expose_secret()).replace(key, REDACTED);
    Reply { body: text.into_bytes().into(), ..reply }
}

/// The same for what stands in its head.
fn without_key(error: AccountError, key: Option<&SecretString>) -> AccountError {
    let Some(key) = key.map(SecretString::expose_secret).filter(|key| !key.is_empty()) else { return error };
    let clean = |text: String| text.replace(key, REDACTED);
    AccountError {
        message: clean(error.message),
        field: error.field.map(|field| clean(field.into_string()).into()),
        request_id: error.request_id.map(|id| clean(id.into_string()).into()),
        code: error.code.filter(|code| !code.contains(key)),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_no_text() {
        let error = AccountError {
            field: Some("sk-tr-canary".into()),
            request_id: Some("r sk-tr-canary".into()),
            code: Some("sk-tr-canary".into()),
            ..AccountError::new(Reason::ServerRefused, "`sk-tr-canary` is wrong")
        };
        let told = without_key(error.clone(), Some(&"sk-tr-canary".into()));
        assert!(!format!("{told:?}").contains("canary"), "{told:?}");
        assert_eq!(told.message, "`[redacted]` is wrong");
        assert_eq!(without_key(error.clone(), Some(&"".into())).message, error.message);
        assert_eq!(without_key(error.clone(), None).message, error.message);
    }
}
