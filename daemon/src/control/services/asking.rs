//! Whom a call about an account asks, and with what: the account by its REST, the own node by the same in process.

use bitrouter_node::people::namespaces;
use bitrouter_proto::{
    account::{NamespaceId, everyday::MODEL_KEY},
    client::IdempotencyKey,
    codes::Reason,
    wire::{self, asked::Whom},
};
use http::HeaderValue;
use secrecy::ExposeSecret as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tonic::Status;

use super::{
    account::{Account, Key},
    error,
    namespaces::refused,
    node_call::node,
};
use crate::{
    credentials::{AccountError, Dialect, RestCall, RestPath, own_node_json},
    node_host::NodeHost,
};

/// The longest id of a row that is asked for, characters.
const LONGEST_ID: usize = 128;

/// The longest idempotency key that servers take, characters.
const LONGEST_KEY: usize = 255;

/// Who can be asked.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) host: NodeHost,
    account: Account,
}

/// Whoever was meant by a call.
#[derive(Debug)]
pub(super) struct Source {
    asking: Asking,
    whom: Answering,
}

#[derive(Debug)]
enum Answering {
    Account(Option<Key>),
    Node(NamespaceId),
}

impl Asking {
    pub(super) fn new(host: NodeHost, account: Account) -> Self {
        Self { host, account }
    }

    /// Whoever `asked` means.
    ///
    /// # Errors
    /// Where that is nobody.
    pub(super) async fn source(&self, asked: Option<wire::Asked>) -> Result<Source, Status> {
        let whom = self.whom(asked, |_| true).await?;
        Ok(Source { asking: self.clone(), whom })
    }

    /// The same for the short verbs: keys that open nothing but calls of models are looked over, and the session counts.
    ///
    /// # Errors
    /// As [`Self::source`].
    pub(super) async fn everyday_source(&self, asked: Option<wire::Asked>) -> Result<Source, Status> {
        let whom = self.whom(asked, |key| !key.starts_with(MODEL_KEY)).await?;
        Ok(Source { asking: self.clone(), whom })
    }

    async fn whom(&self, asked: Option<wire::Asked>, counts: fn(&str) -> bool) -> Result<Answering, Status> {
        Ok(match asked.and_then(|asked| asked.whom) {
            Some(Whom::Node(wire::AskedNode { namespace })) => {
                let node = node(&self.host).await?;
                let meant = if namespace.is_empty() {
                    node.first_namespace()
                } else {
                    namespaces::find(&node, node.owner(), &namespace).await.map_err(refused)?.id
                };
                Answering::Node(meant)
            }
            Some(Whom::Account(wire::AskedAccount { api_key, api_url })) => {
                let api_key = if counts(&api_key) { api_key } else { String::new() };
                let is_brought = !api_key.is_empty();
                let key = self.account.key(api_key, &api_url)?.filter(|key| counts(key.key.expose_secret()));
                // A key goes to the server that whoever brings it names; nothing else goes to another than its own.
                if !is_brought && !api_url.is_empty() {
                    self.account.is_for(key.as_ref(), &api_url).await?;
                }
                Answering::Account(key)
            }
            None => {
                let key = self.account.key(String::new(), "")?;
                Answering::Account(key.filter(|key| counts(key.key.expose_secret())))
            }
        })
    }

    /// What the own node answers to its owner.
    pub(super) async fn own_node(&self, namespace: &str, call: &RestCall) -> Result<String, Status> {
        let node = node(&self.host).await?;
        own_node_json(&node, namespace, call).await.map_err(|error| self.account.refused(error, false))
    }
}

impl Source {
    /// What it answers to a call, as it came.
    pub(super) async fn call(&self, call: &RestCall) -> Result<String, Status> {
        match &self.whom {
            Answering::Account(key) => self.asking.account.call(key.as_ref(), call).await,
            Answering::Node(namespace) => self.asking.own_node(&namespace.to_string(), call).await,
        }
    }

    /// The same, where it is a `T`; `what` that is, for people.
    pub(super) async fn told<T: DeserializeOwned>(&self, call: &RestCall, what: &str) -> Result<String, Status> {
        let json = self.call(call).await?;
        serde_json::from_str::<T>(&json).map_err(|_| self.unreadable(what))?;
        Ok(json)
    }

    /// What it answers to `path`, as it came.
    pub(super) async fn get(&self, path: &RestPath) -> Result<String, Status> {
        self.call(&RestCall::get(path.clone())).await
    }

    /// The same, read; `what` it should be, for people.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &RestPath, what: &str) -> Result<(T, String), Status> {
        let json = self.get(path).await?;
        let read = serde_json::from_str(&json).map_err(|_| self.unreadable(what))?;
        Ok((read, json))
    }

    /// What it answers to a call, read, where nobody needs it as it came.
    pub(super) async fn answered<T: DeserializeOwned>(&self, call: &RestCall, what: &str) -> Result<T, Status> {
        serde_json::from_str(&self.call(call).await?).map_err(|_| self.unreadable(what))
    }

    /// It answered with what is not `what` it should be.
    pub(super) fn unreadable(&self, what: &str) -> Status {
        let error = AccountError::new(Reason::ServerFailed, format!("the server answered with what is no {what}"));
        self.asking.account.refused(error, matches!(&self.whom, Answering::Account(Some(_))))
    }

    /// Which API it speaks.
    pub(super) async fn dialect(&self) -> Result<Dialect, Status> {
        match &self.whom {
            Answering::Account(None) => {
                let asked = self.asking.account.credentials.dialect().await;
                asked.map_err(|error| self.asking.account.refused(error, false))
            }
            // What is no session opens nothing of the other one.
            Answering::Account(Some(_)) | Answering::Node(_) => Ok(Dialect::Management),
        }
    }

    /// The server whose keys these are; `None`: the own node.
    pub(super) async fn server(&self) -> Option<String> {
        let account = &self.asking.account;
        match &self.whom {
            Answering::Node(_) => None,
            Answering::Account(Some(key)) => {
                let is_own = account.credentials.holder_of(&key.key).await.is_some();
                (!is_own).then(|| key.server.clone())
            }
            Answering::Account(None) => {
                let session = account.credentials.session();
                let server = session.credential.as_deref().map(|credential| credential.server().to_owned());
                server.filter(|_| !session.is_own_node)
            }
        }
    }

    /// Whom the credential means, as far as that is known without the server.
    pub(super) async fn subject(&self) -> Option<String> {
        let account = &self.asking.account;
        match &self.whom {
            Answering::Node(_) => node(&self.asking.host).await.ok().map(|node| node.owner().to_string()),
            Answering::Account(Some(key)) => {
                account.credentials.holder_of(&key.key).await.map(|holder| holder.person.to_string())
            }
            Answering::Account(None) => account.identity(&account.credentials.session())?.subject,
        }
    }

    /// The host of the own node, where that is asked.
    pub(super) fn own_node(&self) -> Option<&NodeHost> {
        match self.whom {
            Answering::Node(_) => Some(&self.asking.host),
            Answering::Account(_) => None,
        }
    }
}

/// An id as it can stand in a path; `what` it is of, for people.
///
/// # Errors
/// Where no server has such an id.
pub(super) fn id_of<'a>(id: &'a str, what: &str) -> Result<&'a str, Status> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain) {
        return Ok(id);
    }
    let shown: String = id.chars().take(LONGEST_ID).collect();
    Err(error::status(Reason::NotFound, format!("there is no {what} `{shown}`"), None))
}

/// The `Idempotency-Key` of a call that makes something: the caller's own, else one for this call.
///
/// # Errors
/// Where no server takes it.
pub(super) fn once(key: &str) -> Result<HeaderValue, Status> {
    let chosen = if key.is_empty() { IdempotencyKey::new().as_str().to_owned() } else { key.to_owned() };
    let fits = chosen.len() <= LONGEST_KEY && chosen.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| HeaderValue::try_from(chosen).ok()).flatten().ok_or_else(|| {
        let message = format!("an idempotency key is 1 to {LONGEST_KEY} visible ASCII characters");
        error::status(Reason::InvalidArgument, message, None)
    })
}

/// A JSON object, member by member.
#[derive(Debug, Default)]
pub(super) struct Body(String);

impl Body {
    /// The same with a member.
    pub(super) fn with(self, name: &str, value: impl Into<Value>) -> Self {
        self.with_text(name, &value.into().to_string())
    }

    /// The same with a member, where there is a value.
    pub(super) fn with_any(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same with a document that somebody wrote, as it is: the server says what is wrong in it, a member that stands there
    /// twice too.
    ///
    /// # Errors
    /// Where it is no JSON.
    pub(super) fn with_document(self, name: &str, json: &str) -> Result<Self, Status> {
        match serde_json::from_str::<IgnoredAny>(json) {
            Ok(_) => Ok(self.with_text(name, json.trim())),
            Err(error) => {
                let message = format!("`{name}` is no JSON: {error}");
                Err(error::status_with(Reason::InvalidArgument, message, [("field", name.to_owned())]))
            }
        }
    }

    fn with_text(mut self, name: &str, json: &str) -> Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    /// As it is sent.
    pub(super) fn json(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_stays_as_it_is() {
        let body = Body::default().with("name", "a\"b").with_any("limit", None::<i64>).with_any("cap", Some(5));
        let spec = " {\"a\": 1.50, \"a\": [ ]}\n";
        let body = body.with_document("spec", spec).unwrap();
        assert_eq!(body.json(), r#"{"name":"a\"b","cap":5,"spec":{"a": 1.50, "a": [ ]}}"#);
        assert_eq!(Body::default().json(), "{}");
        for wrong in ["", "{", "{} {}", r#"{"a":1},"b":{}"#] {
            let refused = Body::default().with_document("spec", wrong).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{wrong}");
        }
    }

    #[test]
    fn an_id_is_one_word_of_a_path() {
        for id in ["key_01jxyz", "bitrouter-cli", "7"] {
            assert_eq!(id_of(id, "key").unwrap(), id);
        }
        for id in ["", ".", "..", "a/b", "a?b", "a#b", "%2e", "a b", "\u{e9}", &"a".repeat(129)] {
            let refused = id_of(id, "key").unwrap_err();
            assert!(refused.code() == tonic::Code::NotFound && refused.message().contains("key"), "{id}");
        }
    }

    #[test]
    fn a_call_that_makes_something_has_a_key_of_its_own_or_the_callers() {
        assert_eq!(once("mine").unwrap(), "mine");
        assert_ne!(once("").unwrap(), once("").unwrap());
        assert!(once("a b").is_err() && once(&"a".repeat(256)).is_err());
    }
}
