//! The request that goes to a provider: whose key it carries, and which headers.

use std::sync::Arc;

use http::{Extensions, Request, Uri, Version, request::Parts};

use super::{
    account::Again,
    model_errors::{key_missing, no_credential},
    objects::drop_owners_headers,
    payer::{NO_HEADER, Paid, unusable},
    prepare::{Call, Serving},
    request_headers::build_upstream_headers,
    surface::Surface,
};
use crate::{
    error::InferenceError,
    protocol::{Pieces, ReplyFormat},
    registry::{Provider, Target},
    upstream::RequestBody,
};

/// Where a call goes, and with which key.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) provider: &'a Provider,
    pub(super) target: &'a Target,
    pub(super) paid: &'a Paid<'a>,
}

impl Serving<'_> {
    /// The request that goes there.
    #[inline]
    pub(super) fn build_call(
        self,
        mut parts: Parts,
        surface: &Surface,
        to: To<'_>,
        uri: Uri,
        body: Pieces,
        format: ReplyFormat,
    ) -> Result<Call, InferenceError> {
        let To { provider, target, paid } = to;
        let token = self.pass.token_for(provider).filter(|_| self.snapshot.uses_session(self.caller, provider));
        let with_token = token.map(|token| Paid::Node(Some(&token.token)));
        let paid = if matches!(paid, Paid::Node(None)) { with_token.as_ref().unwrap_or(paid) } else { paid };
        let auth = paid.header(&target.auth_prefix);
        if auth.is_none() && paid.has_key() {
            return Err(if paid.is_owner() {
                unusable(provider, NO_HEADER)
            } else {
                key_missing(provider, &format!("the key for `{}` cannot stand in an HTTP header", provider.id()))
            });
        }
        // The key may have gone since the route was chosen: the snapshot's source answers for itself.
        if auth.is_none() && provider.needs_key() {
            return Err(no_credential(
                self.caller,
                self.snapshot,
                provider,
                &format!("no key for `{}`", provider.id()),
            ));
        }
        build_upstream_headers(&mut parts.headers, target, auth);
        if !paid.is_owner() {
            drop_owners_headers(&mut parts.headers, self.caller);
        }
        self.gateway.hop.append(&mut parts.headers, target.user_set, target.origin.is_loopback());
        parts.method = surface.method.clone();
        // The caller's HTTP/1.0, and whatever its connection put beside the request, is its own.
        parts.version = Version::HTTP_11;
        parts.extensions = Extensions::new();
        parts.uri = uri;
        let again = token.map(|token| Box::new(Again::new(token, target, &parts, &body)));
        Ok(Call {
            provider: provider.id().clone(),
            origin: Arc::clone(&target.origin),
            again,
            draft: None,
            owners: None,
            plan: None,
            request: Some(Request::from_parts(parts, RequestBody::from(body))),
            format,
        })
    }
}
