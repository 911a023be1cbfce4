//! Which API the server of the stored credential speaks, and whether it is the one that somebody means.

use bitrouter_proto::account::credential::Credential;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    AccountError, Credentials,
    exchange::local_uid,
    http::LocalUid,
    issuer::{same_issuer, server_url},
};

/// Which API a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/api/v1`, with the tokens of a session.
    Everyday,
    /// `/v1`.
    Management,
}

/// What the keys and tokens of nodes begin with.
const OWN: [&str; 3] = ["brk_", "bra_", "brr_"];

impl Credentials {
    /// What the server of the stored credential speaks: to it, with that credential.
    ///
    /// # Errors
    /// Where it has to be asked, and cannot be now.
    pub(crate) async fn dialect(&self) -> Result<Dialect, AccountError> {
        let session = self.session();
        let Some(Credential::Oauth(tokens)) = session.credential.as_deref() else { return Ok(Dialect::Management) };
        // It said so when somebody signed in, or is our own.
        if session.is_own_node || tokens.api_url.is_some() {
            return Ok(Dialect::Everyday);
        }
        let found = self.0.discoveries.of(&self.0.http, tokens.server(), local_uid(tokens)).await?;
        Ok(if found.is_some() { Dialect::Everyday } else { Dialect::Management })
    }

    /// True where the own node gave out `key`, a key or a token, whatever became of it.
    pub(crate) async fn is_own(&self, key: &SecretString) -> bool {
        let is_ours = OWN.iter().any(|prefix| key.expose_secret().starts_with(prefix));
        if !is_ours {
            return false;
        }
        let Ok(node) = self.0.own.node().await else { return false };
        node.has_minted(key).await || matches!(node.issued(key).await, Ok(Some(_)))
    }

    /// The server of the stored credential, where that is not the one at `url`: by its address, by its issuer, or by the issuer
    /// that the document of the server at `url` names.
    ///
    /// # Errors
    /// Where `url` is no server's.
    pub(crate) async fn other_server(&self, url: &str) -> Result<Option<String>, AccountError> {
        let url = server_url(url)?;
        let session = self.session();
        let Some(credential) = session.credential.as_deref() else { return Ok(None) };
        let server = credential.server();
        if same_issuer(server, &url) {
            return Ok(None);
        }
        if let Credential::Oauth(tokens) = credential {
            let issuer = &tokens.authorization_server;
            if same_issuer(issuer, &url) {
                return Ok(None);
            }
            // Nothing secret is sent, so that whoever listens there may answer.
            let found = self.0.discoveries.of(&self.0.http, &url, LocalUid::Any).await.ok().flatten();
            if found.is_some_and(|found| same_issuer(&found.issuer, issuer)) {
                return Ok(None);
            }
        }
        Ok(Some(server.to_owned()))
    }
}
