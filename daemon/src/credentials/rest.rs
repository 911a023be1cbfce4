//! Calls of the account's REST, with the credential in force or with a key that the caller brings.

use std::{sync::Arc, time::Duration};

use bitrouter_gateway::ports::{AccountCredential, AccountRefused, AccountToken};
use bitrouter_proto::{account::credential::Credential, codes::Reason};
use http::{Method, StatusCode};
use reqwest::Url;
use secrecy::SecretString;

use super::{
    AccountError, Credentials, Inner,
    exchange::local_uid,
    http::{Call, LocalUid, Reply},
    issuer::server_url,
    metadata::unreachable,
    reply::json_reply,
    shown::login_command,
};

/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(30);

impl Credentials {
    /// What the account's server answers to `GET <server><path>`, exactly as it came: JSON. A 401 has the token renewed
    /// once. The own node answers in process.
    ///
    /// # Errors
    /// Where nobody is signed in, the server cannot be reached, or says no.
    pub(crate) async fn get_json(&self, path: &str) -> Result<String, AccountError> {
        let keeper = &self.0;
        let token = match keeper.credential().await {
            Ok(AccountCredential::Token(token)) => token,
            Ok(AccountCredential::OwnNode(principal)) => {
                let answered = keeper.own.get(principal, path).await;
                let reply = answered.map_err(|reason| self.refused(AccountRefused::Unavailable(reason)))?;
                return json_reply(&reply, "the own node");
            }
            Err(refused) => return Err(self.refused(refused)),
        };
        let reply = keeper.get(&token, path).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Some(newer) = keeper.renewed(&token).await
        {
            let reply = keeper.get(&newer, path).await?;
            return json_reply(&reply, &newer.issuer);
        }
        json_reply(&reply, &token.issuer).map_err(|error| match keeper.held().ended.clone() {
            Some(reason) => self.refused(AccountRefused::Ended(reason)),
            None => error,
        })
    }

    /// The same with a key that is not the stored one.
    ///
    /// # Errors
    /// Where the server cannot be reached, or says no.
    pub(crate) async fn get_json_with_key(
        &self,
        server: &str,
        api_key: &SecretString,
        path: &str,
    ) -> Result<String, AccountError> {
        let server = server_url(server)?;
        let token = AccountToken { token: api_key.clone(), issuer: server.into() };
        let reply = self.0.get(&token, path).await?;
        json_reply(&reply, &token.issuer)
    }

    /// A refusal as the control API says it.
    pub(crate) fn refused(&self, refused: AccountRefused) -> AccountError {
        match refused {
            AccountRefused::SignedOut => AccountError::not_signed_in(),
            AccountRefused::Ended(reason) => {
                let command = login_command(&self.session(), &self.0.default_server.load());
                AccountError::new(Reason::SessionEnded, format!("the session has ended: {reason}"))
                    .with_command(command)
            }
            AccountRefused::OutOfReach(reason) => {
                let held = self.0.held();
                let status = held.status.filter(|_| held.trouble.as_ref() == Some(&reason));
                let kind = if status.is_some() { Reason::ServerFailed } else { Reason::ServerUnreachable };
                AccountError { status, ..AccountError::new(kind, reason) }
            }
            AccountRefused::Unavailable(reason) => AccountError::new(Reason::NodeOff, reason),
        }
    }
}

impl Inner {
    async fn get(self: &Arc<Self>, token: &AccountToken, path: &str) -> Result<Reply, AccountError> {
        let url = Url::parse(&format!("{}{path}", token.issuer))
            .map_err(|_| AccountError::new(Reason::InvalidArgument, format!("`{}` is no URL", token.issuer)))?;
        let call = Call { method: Method::GET, url: &url, form: None, bearer: Some(&token.token), within: WITHIN };
        let reply = self.http.call(call, self.uid_of(token)).await;
        reply.map_err(|error| unreachable(&error))
    }

    /// Whose listener the server of `token` must be, where it is on this machine.
    fn uid_of(&self, token: &AccountToken) -> LocalUid {
        let held = self.held();
        match held.credential.as_deref() {
            Some(Credential::Oauth(oauth)) if *oauth.authorization_server == *token.issuer => local_uid(oauth),
            Some(Credential::ApiKey(key)) if *key.base_url == *token.issuer => {
                key.issuer_uid.map_or(LocalUid::Own, LocalUid::Only)
            }
            _ => LocalUid::Own,
        }
    }
}
