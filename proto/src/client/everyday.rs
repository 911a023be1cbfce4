//! The calls of `EverydayService`.

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Client, ClientError,
    account::REMOTE,
    asked::{Asked, Told},
    calls::{DOCUMENT_LIMIT, origin},
    channel::Channel,
    distrust,
    documents::{self, IdempotencyKey},
};
use crate::{
    account::everyday::{Credit, EndedKey, MadeKey, Me, Model, OwnKey, Purchase, TriedModel, UsageOfDays},
    wire::{self, everyday_service_client::EverydayServiceClient},
};

/// A key that was just made: its secret is in both, and nowhere else.
#[derive(Clone, Debug)]
pub struct Made {
    /// What we know of it.
    pub key: MadeKey,
    /// Its document; what a terminal would obey is written as JSON's own escapes.
    pub json: SecretString,
    /// The address that the key opens, with its version segment; `None` where it is none that may be shown.
    pub base_url: Option<String>,
}

/// A purchase that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What it is.
    pub purchase: Purchase,
    /// Its page, where it may be shown as a link and be opened.
    pub link: Option<String>,
}

impl Client {
    /// Who is signed in, and what is left. Without a server the balance is none, and its error says why.
    pub async fn show_identity(&self, asked: &Asked) -> Result<Told<Me>, ClientError> {
        self.same_protocol()?;
        let request = wire::ShowIdentityRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.everyday().show_identity(request)).await?.json)
    }

    /// Makes a key for calls.
    pub async fn create_key(&self, asked: &Asked, name: &str, once: &IdempotencyKey) -> Result<Made, ClientError> {
        self.same_protocol()?;
        let request = wire::CreateKeyRequest {
            asked: Some(asked.into()),
            name: name.to_owned(),
            idempotency_key: once.as_str().to_owned(),
        };
        let told = self.bounded_by(REMOTE, self.everyday().create_key(request)).await?;
        Ok(Made {
            key: documents::parsed(&told.json)?,
            json: SecretString::from(distrust::document(&told.json)?),
            base_url: distrust::server_link(&told.base_url),
        })
    }

    /// Every key that is not revoked.
    pub async fn list_own_keys(&self, asked: &Asked) -> Result<Told<Vec<OwnKey>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListOwnKeysRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.everyday().list_own_keys(request)).await?.json)
    }

    /// Ends a key.
    pub async fn end_key(&self, asked: &Asked, id: &str) -> Result<Told<EndedKey>, ClientError> {
        self.same_protocol()?;
        let request = wire::EndKeyRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::read(&self.bounded_by(REMOTE, self.everyday().end_key(request)).await?.json)
    }

    /// What is left of the credit.
    pub async fn show_balance(&self, asked: &Asked) -> Result<Told<Credit>, ClientError> {
        self.same_protocol()?;
        let request = wire::ShowBalanceRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.everyday().show_balance(request)).await?.json)
    }

    /// Begins a purchase of so many US cents. Nothing is paid.
    pub async fn top_up(
        &self,
        asked: &Asked,
        amount_cents: i64,
        once: &IdempotencyKey,
    ) -> Result<Told<Begun>, ClientError> {
        self.same_protocol()?;
        let request =
            wire::TopUpRequest { asked: Some(asked.into()), amount_cents, idempotency_key: once.as_str().to_owned() };
        let told = self.bounded_by(REMOTE, self.everyday().top_up(request)).await?;
        let Told { read: purchase, json } = documents::read::<Purchase>(&told.json)?;
        let link = distrust::server_link(&purchase.checkout_url);
        Ok(Told { read: Begun { purchase, link }, json })
    }

    /// What was used in the last `days` (1 to 365), of calls that succeeded.
    pub async fn show_usage(&self, asked: &Asked, days: u32) -> Result<Told<UsageOfDays>, ClientError> {
        self.same_protocol()?;
        let request = wire::ShowUsageRequest { asked: Some(asked.into()), days };
        documents::read(&self.bounded_by(REMOTE, self.everyday().show_usage(request)).await?.json)
    }

    /// The models at `base_url` (`None`: the daemon's own listener), with `key`.
    pub async fn list_models(
        &self,
        base_url: Option<&str>,
        key: Option<&SecretString>,
    ) -> Result<Told<Vec<Model>>, ClientError> {
        self.same_protocol()?;
        let (base_url, api_key) = place(base_url, key);
        let request = wire::ListModelsRequest { base_url, api_key };
        documents::read(&self.bounded_by(REMOTE, self.everyday().list_models(request)).await?.json)
    }

    /// One small call of `model` there.
    pub async fn try_model(
        &self,
        base_url: Option<&str>,
        key: Option<&SecretString>,
        model: &str,
    ) -> Result<Told<TriedModel>, ClientError> {
        self.same_protocol()?;
        let (base_url, api_key) = place(base_url, key);
        let request = wire::TryModelRequest { base_url, api_key, model: model.to_owned() };
        documents::read(&self.bounded_by(REMOTE, self.everyday().try_model(request)).await?.json)
    }

    fn everyday(&self) -> EverydayServiceClient<Channel> {
        EverydayServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}

/// Empty on the wire: nobody said.
fn place(base_url: Option<&str>, key: Option<&SecretString>) -> (String, String) {
    let key = key.map(|key| key.expose_secret().to_owned());
    (base_url.unwrap_or_default().to_owned(), key.unwrap_or_default())
}
