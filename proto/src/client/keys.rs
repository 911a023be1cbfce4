//! The calls of `KeyService`, and those of `OperatorKeyService`.

use secrecy::SecretString;

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
    account::{
        List,
        keys::NewKey,
        told::{ToldKey, ToldMintedKey},
    },
    wire::{self, key_service_client::KeyServiceClient, operator_key_service_client::OperatorKeyServiceClient},
};

/// A key that was just minted: its secret is in both, and nowhere else.
#[derive(Clone, Debug)]
pub struct Minted {
    /// What we know of the reply.
    pub key: ToldMintedKey,
    /// The reply as it came; what a terminal would obey is written as JSON's own escapes.
    pub json: SecretString,
}

impl Client {
    /// The keys of the namespace.
    pub async fn list_keys(&self, asked: &Asked) -> Result<Told<List<ToldKey>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListKeysRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.keys().list_keys(request)).await?.json)
    }

    /// Makes a key.
    pub async fn mint_key(&self, asked: &Asked, new: &NewKey, once: &IdempotencyKey) -> Result<Minted, ClientError> {
        self.same_protocol()?;
        let NewKey { display_name, scopes, expires_at } = new.clone();
        let request = wire::MintKeyRequest {
            asked: Some(asked.into()),
            name: display_name,
            scopes,
            expires_at: expires_at.unwrap_or_default(),
            idempotency_key: once.as_str().to_owned(),
        };
        minted(&self.bounded_by(REMOTE, self.keys().mint_key(request)).await?.json)
    }

    /// Ends a key, and all that were minted with it.
    pub async fn revoke_key(&self, asked: &Asked, id: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::RevokeKeyRequest { asked: Some(asked.into()), id: id.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.keys().revoke_key(request)).await?.json, "revoked")
    }

    /// The operator's keys of the own node.
    pub async fn list_operator_keys(&self) -> Result<Told<List<ToldKey>>, ClientError> {
        self.same_protocol()?;
        let told = self.bounded(self.operator_keys().list_operator_keys(wire::ListOperatorKeysRequest {})).await?;
        documents::read(&told.json)
    }

    /// Makes a key that reads the sums and calls of every namespace of the own node, and its metrics.
    pub async fn mint_operator_key(&self, name: &str, once: &IdempotencyKey) -> Result<Minted, ClientError> {
        self.same_protocol()?;
        let request = wire::MintOperatorKeyRequest { name: name.to_owned(), idempotency_key: once.as_str().to_owned() };
        minted(&self.bounded(self.operator_keys().mint_operator_key(request)).await?.json)
    }

    /// Ends one of the operator's keys.
    pub async fn revoke_operator_key(&self, id: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::RevokeOperatorKeyRequest { id: id.to_owned() };
        documents::flag(&self.bounded(self.operator_keys().revoke_operator_key(request)).await?.json, "revoked")
    }

    /// Says that keys of the own node hold which a restore has disabled: this one, or all; how many of them were.
    pub async fn confirm_keys(&self, id: Option<&str>) -> Result<u64, ClientError> {
        self.same_protocol()?;
        let request = wire::ConfirmKeysRequest { id: id.unwrap_or_default().to_owned() };
        Ok(self.bounded(self.operator_keys().confirm_keys(request)).await?.count)
    }

    fn operator_keys(&self) -> OperatorKeyServiceClient<Channel> {
        OperatorKeyServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }

    fn keys(&self) -> KeyServiceClient<Channel> {
        KeyServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}

fn minted(json: &str) -> Result<Minted, ClientError> {
    Ok(Minted { key: documents::parsed(json)?, json: SecretString::from(distrust::document(json)?) })
}
