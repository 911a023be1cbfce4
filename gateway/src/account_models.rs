//! The models of the account's server, asked for with the account's credential. Who asks, and when, is not known here.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use secrecy::SecretString;

use crate::{
    Gateway,
    http::Caller,
    live_models::{collect, list_request},
    ports::{AccountCredential, AccountToken},
    protocol::{Dialect, read_account_list},
    registry::{Model, Provider, Target},
    snapshot::Snapshot,
    upstream::UpstreamBody,
};

/// How long the server has to answer, the credential included.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest list that is read, in bytes.
const LONGEST: usize = 8 << 20;

/// What the account's server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountModels {
    /// The server that was asked, without a slash at its end.
    pub server: String,
    /// Its models, each once.
    pub models: Vec<Model>,
}

impl Gateway {
    /// Asks the account's server, within 30 s, for what it lists.
    ///
    /// # Errors
    /// Why there is no list, as a fragment.
    pub async fn account_models(&self) -> Result<AccountModels, String> {
        let snapshot = self.snapshot();
        let provider = snapshot.catalog.account().ok_or("there is no account")?;
        let asked = tokio::time::timeout(LIMIT, self.ask_account(&snapshot, provider)).await;
        let models = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))?;
        Ok(AccountModels { server: provider.account_server().unwrap_or_default().to_owned(), models })
    }

    async fn ask_account(&self, snapshot: &Arc<Snapshot>, provider: &Provider) -> Result<Vec<Model>, String> {
        let dialect = Dialect::ChatCompletions;
        let target = provider.target(dialect).ok_or("its address has no list")?;
        let server = provider.account_server().unwrap_or_default();
        let own_key = snapshot.keys.key(Caller::DAEMON, provider.id());
        let token = if own_key.is_some() { None } else { Some(self.account_token(server).await?) };
        let key = own_key.or(token.as_ref().map(|token| &token.token)).ok_or("nobody is signed in")?;
        let mut answer = self.ask_for_list(snapshot, (dialect, target), key).await?;
        if let (StatusCode::UNAUTHORIZED, Some(token)) = (answer.0, &token)
            && let Some(renewed) = self.account.renewed(token).await.filter(|renewed| renewed.issuer == token.issuer)
        {
            answer = self.ask_for_list(snapshot, (dialect, target), &renewed.token).await?;
        }
        let (status, body) = answer;
        if !status.is_success() {
            return Err(format!("it answered {}", status.as_u16()));
        }
        Ok(read_account_list(&collect(body, LONGEST).await?)?)
    }

    /// The stored token, where `server` issued it.
    async fn account_token(&self, server: &str) -> Result<AccountToken, String> {
        match self.account.credential().await {
            Ok(AccountCredential::Token(token)) if token.issuer.trim_end_matches('/') == server => Ok(token),
            Ok(AccountCredential::Token(_)) => Err("the account has changed".to_owned()),
            Ok(AccountCredential::OwnNode(_)) => Err("the account is this node's own".to_owned()),
            Err(refused) => Err(format!("its credential cannot be used: {refused}")),
        }
    }

    async fn ask_for_list(
        &self,
        snapshot: &Snapshot,
        (dialect, target): (Dialect, &Target),
        key: &SecretString,
    ) -> Result<(StatusCode, UpstreamBody), String> {
        let mut request = Some(list_request(self, (dialect, target), Some(key), "")?);
        let sent = self.pool.send(&target.origin, &mut request, snapshot.limits.connect, || ()).await;
        let (parts, body) = sent.map_err(|error| error.to_string())?.into_parts();
        Ok((parts.status, body))
    }
}
