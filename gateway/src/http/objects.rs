//! What a body names of what a provider has stored: whether its caller may, and how many tokens that brings.
//!
//! On the node's own key all namespaces are one customer of the provider, so that nothing but our memory tells whose an object
//! is. Callers without a credential are the owner of the key.

use bitrouter_proto::codes::InferenceCode;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{context::Caller, prepare::Serving};
use crate::{
    error::InferenceError,
    meter::NamedTokens,
    protocol::{Dialect, Named, Reference, RequestFields},
    registry::{Provider, Target},
    stored_responses::Maker,
};

/// Headers by which a caller would choose another account or project of the key's owner.
static OWNERS: [HeaderName; 3] = [
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("x-goog-user-project"),
];

/// Where Google keeps files, whatever stands between (Gemini API reference, `files`).
const GOOGLE: &str = "generativelanguage.googleapis.com";

/// Drops what only the owner of the key may choose.
pub(super) fn drop_owners_headers(headers: &mut HeaderMap, caller: Caller) {
    if matches!(caller, Caller::Credential(_)) {
        for name in &OWNERS {
            headers.remove(name);
        }
    }
}

impl Serving<'_> {
    /// Refuses a caller with a credential who names what its namespace has not made here.
    pub(super) fn check_objects(
        self,
        fields: &RequestFields<'_>,
        body: &Bytes,
        provider: &Provider,
        dialect: Dialect,
    ) -> Result<(), InferenceError> {
        let (Caller::Credential(_), Some(parts)) = (self.caller, &fields.parts) else { return Ok(()) };
        let target = provider.target(dialect);
        let foreign = parts.names.iter().find(|named| !self.may_name(named, body, provider, target));
        let foreign = foreign.map(|named| named.member).or_else(|| {
            // Whoever names so many is told of the last that was looked at.
            parts.names.last().filter(|_| parts.has_more_names).map(|named| named.member)
        });
        match foreign {
            Some(member) => Err(not_found(member)),
            None => Ok(()),
        }
    }

    fn may_name(self, named: &Named, body: &[u8], provider: &Provider, target: Option<&Target>) -> bool {
        let id = named.id(body);
        match named.reference {
            Reference::Reply => {
                let maker = self.gateway.stored_responses.maker(&id, self.caller);
                // On the owner's own key nothing is asked here; on any other one, that key's things are foreign.
                matches!(maker, Maker::Known(maker) if maker == *provider.id())
                    && !self.gateway.stored_responses.is_on_owners_key(&id)
            }
            Reference::Other => false,
            Reference::Link => !is_own(&id, target),
        }
    }

    /// How many tokens what the body names brings.
    pub(super) fn named_tokens(self, fields: &RequestFields<'_>, body: &[u8], target: Option<&Target>) -> NamedTokens {
        let mut tokens = NamedTokens::default();
        let Some(parts) = &fields.parts else { return tokens };
        tokens.more = parts.has_more_names;
        for named in &parts.names {
            let id = named.id(body);
            match named.reference {
                Reference::Reply => match self.gateway.stored_responses.tokens(&id, self.caller) {
                    Some(count) => tokens.remembered = tokens.remembered.saturating_add(count),
                    None => tokens.more = true,
                },
                Reference::Other => tokens.more = true,
                Reference::Link => tokens.more |= is_own(&id, target),
            }
        }
        tokens
    }
}

/// True for a link to what is stored at the provider itself: without a host, or with the provider's own.
fn is_own(link: &str, target: Option<&Target>) -> bool {
    // Readers of addresses leave these away (WHATWG URL, "basic URL parser").
    let link: String = link.chars().filter(|letter| !matches!(letter, '\t' | '\n' | '\r')).collect();
    let Some((_, rest)) = link.split_once("://") else { return true };
    let rest = rest.trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let host = |text: &str| text.split(':').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let named = host(host_and_port);
    // What spells a host in a way that is read in more than one is taken for the provider's own.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_number = named.rsplit('.').next().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_digit()));
    let is_address = named.split('.').count() == 4 && named.parse::<std::net::Ipv4Addr>().is_ok();
    if named.is_empty() || !named.bytes().all(is_plain) || (is_number && !is_address) {
        return true;
    }
    let is_google = named == GOOGLE;
    is_google || target.and_then(|target| target.host.to_str().ok()).is_some_and(|own| host(own) == named)
}

fn not_found(member: &'static str) -> InferenceError {
    let message = format!(
        "there is no object with this `{member}` here: what a provider has stored can be named by the namespace that had it made \
         through this node"
    );
    InferenceError::new(InferenceCode::NotFound, message).with_param(member)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::registry::{Catalog, shipped};

    #[test]
    fn a_link_to_the_providers_own_host_names_what_it_has_stored() {
        let catalog = Catalog::build(shipped().unwrap(), vec![], BTreeMap::new(), false).unwrap();
        let google = catalog.find("google").and_then(|google| google.target(Dialect::GenerateContent));
        let openai = catalog.find("openai").and_then(|openai| openai.target(Dialect::ChatCompletions));
        for link in [
            "https://generativelanguage.googleapis.com/v1beta/files/x",
            "HTTPS://GenerativeLanguage.GoogleAPIs.com./files/x",
            "https://user@generativelanguage.googleapis.com:443/files/x",
            "https://example.com\\@generativelanguage.googleapis.com/files/x",
            "files/x",
            "",
        ] {
            let own = is_own(link, google);
            assert_eq!(own, !link.contains("example"), "{link}");
        }
        for link in [
            "https://www.youtube.com/watch?v=x",
            "gs://bucket/x",
            "https://example.com/?generativelanguage.googleapis.com",
        ] {
            assert!(!is_own(link, google), "{link}");
        }
        assert!(is_own("https://api.openai.com/v1/files/x", openai));
        assert!(!is_own("https://api.openai.com/v1/files/x", google));
    }
}
