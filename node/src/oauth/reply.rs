//! What a client gets for a grant (RFC 6749 §5.1): the only place where tokens leave the node.

use bitrouter_gateway::http::ResponseBody;
use bitrouter_proto::account::ScopeSet;
use http::Response;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::{clock::Moment, http::reply, secret::Token, store::GrantRow};

/// A pair of tokens, to be given out once.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) access: Token,
    pub(super) access_expires_at: Moment,
    pub(super) refresh: Token,
    /// Whether its client is told how to renew it.
    pub(super) renews: bool,
    pub(super) scopes: ScopeSet,
    pub(super) grant: GrantRow,
    pub(super) now: Moment,
}

impl Issued {
    pub(super) fn into_response(self) -> Response<ResponseBody> {
        let mut document = json!({
            "access_token": self.access.text().expose_secret(),
            "token_type": "Bearer",
            "expires_in": self.access_expires_at.since(self.now).as_secs(),
            "scope": self.scopes.to_string(),
            "namespace_id": self.grant.namespace,
            "sub": self.grant.person,
        });
        if self.renews {
            document["refresh_token"] = self.refresh.text().expose_secret().into();
            document["refresh_token_expires_in"] = self.grant.ends_at().since(self.now).as_secs().into();
        }
        reply::json(&document)
    }
}
