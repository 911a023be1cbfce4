//! The calls of `ByokService`.

use super::{
    Client, ClientError,
    account::REMOTE,
    asked::{Asked, Told},
    calls::{DOCUMENT_LIMIT, origin},
    channel::Channel,
    documents::{self, IdempotencyKey},
};
use crate::{
    account::{
        List,
        byok::{EncryptionKey, NewStoredKey, RotatedKey, StoredKey, StoredKeyChange, SubmittedKey},
    },
    wire::{self, byok_service_client::ByokServiceClient},
};

impl Client {
    /// What provider keys are sealed against now.
    pub async fn sealing_key(&self, asked: &Asked) -> Result<EncryptionKey, ClientError> {
        self.same_protocol()?;
        let request = wire::GetSealingKeyRequest { asked: Some(asked.into()) };
        documents::parsed(&self.bounded_by(REMOTE, self.byok().get_sealing_key(request)).await?.json)
    }

    /// The provider keys that the person behind the credential has stored.
    pub async fn list_stored_keys(&self, asked: &Asked) -> Result<Told<List<StoredKey>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListStoredKeysRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.byok().list_stored_keys(request)).await?.json)
    }

    /// Stores a sealed key, in the place of the one for the same provider.
    pub async fn submit_stored_key(
        &self,
        asked: &Asked,
        new: &NewStoredKey,
        once: &IdempotencyKey,
    ) -> Result<Told<SubmittedKey>, ClientError> {
        self.same_protocol()?;
        let NewStoredKey { provider_name, ciphertext_b64, kek_id, key_prefix, api_base } = new.clone();
        let request = wire::SubmitStoredKeyRequest {
            asked: Some(asked.into()),
            provider: provider_name,
            ciphertext_b64,
            kek_id,
            key_prefix,
            api_base,
            idempotency_key: once.as_str().to_owned(),
        };
        documents::read(&self.bounded_by(REMOTE, self.byok().submit_stored_key(request)).await?.json)
    }

    /// Deletes a stored key: calls that run end with it.
    pub async fn delete_stored_key(&self, asked: &Asked, provider: &str) -> Result<Told<bool>, ClientError> {
        self.same_protocol()?;
        let request = wire::DeleteStoredKeyRequest { asked: Some(asked.into()), provider: provider.to_owned() };
        documents::flag(&self.bounded_by(REMOTE, self.byok().delete_stored_key(request)).await?.json, "deleted")
    }

    /// Has new keys of the own node be sealed against another pair from now on.
    pub async fn rotate_sealing_key(&self) -> Result<Told<RotatedKey>, ClientError> {
        self.same_protocol()?;
        documents::read(&self.bounded(self.byok().rotate_sealing_key(wire::RotateSealingKeyRequest {})).await?.json)
    }

    /// What was done with the stored keys of everybody at the own node, the newest first.
    pub async fn list_stored_key_changes(&self) -> Result<Told<List<StoredKeyChange>>, ClientError> {
        self.same_protocol()?;
        let told = self.bounded(self.byok().list_stored_key_changes(wire::ListStoredKeyChangesRequest {})).await?;
        documents::read(&told.json)
    }

    fn byok(&self) -> ByokServiceClient<Channel> {
        ByokServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}
