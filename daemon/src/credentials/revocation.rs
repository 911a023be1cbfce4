//! Ending a session at the server that issued it (RFC 7009), as far as that can be reached.

use std::{sync::Arc, time::Duration};

use bitrouter_proto::{account::credential::OauthCredential, codes::Reason};
use http::Method;
use secrecy::ExposeSecret as _;

use super::{
    Inner,
    exchange::local_uid,
    http::{Body, Call, form},
};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

impl Inner {
    /// Revokes both tokens of `credential`, the refresh token first. Says what could not be revoked and why.
    ///
    /// # Errors
    /// Where a server did not confirm it.
    pub(super) async fn revoke(&self, credential: &OauthCredential) -> Result<(), String> {
        let tokens =
            [("refresh_token", credential.refresh_token.as_ref()), ("access_token", Some(&credential.access_token))];
        let tokens = tokens.into_iter().filter_map(|(hint, token)| Some((hint, token?)));
        if self.own.issued(credential).await {
            let node = self.own.node().await?;
            for (_, token) in tokens {
                node.revoke_own(&credential.client_id, token).await.map_err(|error| error.to_string())?;
            }
            return Ok(());
        }
        let uid = local_uid(credential);
        let server = &credential.authorization_server;
        let no_way = || format!("`{server}` names no way to revoke a session");
        let metadata = self.servers.of(&self.http, server, uid, REQUEST).await.map_err(|error| {
            // Who signs in by a document of another kind has no other one.
            let is_absent =
                credential.api_url.is_some() && error.reason == Reason::ServerRefused && error.status.is_some();
            if is_absent { no_way() } else { error.message }
        })?;
        let Some(url) = &metadata.revocation else { return Err(no_way()) };
        for (hint, token) in tokens {
            let fields =
                [("token", token.expose_secret()), ("token_type_hint", hint), ("client_id", &credential.client_id)];
            let call = Call {
                method: Method::POST,
                url,
                body: Some(Body::Form(form(&fields))),
                once: None,
                bearer: None,
                within: REQUEST,
            };
            let reply = self.http.call(call, uid).await.map_err(|error| error.to_string())?;
            if !(200..300).contains(&reply.status) {
                return Err(format!("`{server}` answered {} to the revocation", reply.status));
            }
        }
        Ok(())
    }

    /// Revokes in the background what nobody uses any more.
    pub(super) fn revoke_aside(self: &Arc<Self>, credential: OauthCredential) {
        let keeper = Arc::clone(self);
        self.tasks.spawn("revocation", async move {
            let revoked = tokio::time::timeout(REQUEST, keeper.revoke(&credential)).await;
            let failed = match revoked {
                Ok(Ok(())) => return,
                Ok(Err(reason)) => reason,
                Err(_) => "its server did not answer in time".to_owned(),
            };
            tracing::info!(
                server = credential.authorization_server,
                reason = failed,
                "the old session was not revoked"
            );
        });
    }
}
