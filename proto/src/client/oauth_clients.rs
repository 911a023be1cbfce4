//! The calls of `OauthClientService`.

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
        told::{AskedOauthClient, AskedOauthClientChange, ToldDeletedClient, ToldOauthClient, ToldRegisteredClient},
    },
    wire::{self, oauth_client_service_client::OauthClientServiceClient},
};

/// A client that was just registered: its secret is in both, and nowhere else.
#[derive(Clone, Debug)]
pub struct Registered {
    /// What we know of the reply.
    pub client: ToldRegisteredClient,
    /// The reply as it came; what a terminal would obey is written as JSON's own escapes.
    pub json: SecretString,
}

impl Client {
    /// The OAuth clients of the namespace.
    pub async fn list_oauth_clients(&self, asked: &Asked) -> Result<Told<List<ToldOauthClient>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListOauthClientsRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.oauth_clients().list_oauth_clients(request)).await?.json)
    }

    /// Registers one.
    pub async fn register_oauth_client(
        &self,
        asked: &Asked,
        new: &AskedOauthClient,
        once: &IdempotencyKey,
    ) -> Result<Registered, ClientError> {
        self.same_protocol()?;
        let AskedOauthClient { client_name, client_type, redirect_uris, allowed_scopes, allowed_grant_types } =
            new.clone();
        let request = wire::RegisterOauthClientRequest {
            asked: Some(asked.into()),
            name: client_name,
            r#type: client_type,
            redirect_uris: redirect_uris.unwrap_or_default(),
            scopes: texts(allowed_scopes),
            grant_types: allowed_grant_types,
            idempotency_key: once.as_str().to_owned(),
        };
        let told = self.bounded_by(REMOTE, self.oauth_clients().register_oauth_client(request)).await?;
        let client = documents::parsed(&told.json)?;
        Ok(Registered { client, json: SecretString::from(distrust::document(&told.json)?) })
    }

    /// Changes one.
    pub async fn update_oauth_client(
        &self,
        asked: &Asked,
        id: &str,
        change: &AskedOauthClientChange,
    ) -> Result<Told<ToldOauthClient>, ClientError> {
        self.same_protocol()?;
        let AskedOauthClientChange { client_name, redirect_uris, allowed_scopes, allowed_grant_types } = change.clone();
        let request = wire::UpdateOauthClientRequest {
            asked: Some(asked.into()),
            id: id.to_owned(),
            name: client_name,
            redirect_uris: texts(redirect_uris),
            scopes: texts(allowed_scopes),
            grant_types: texts(allowed_grant_types),
        };
        documents::read(&self.bounded_by(REMOTE, self.oauth_clients().update_oauth_client(request)).await?.json)
    }

    /// Deletes one, and ends the keys that were minted through it unless `keep_keys`.
    pub async fn delete_oauth_client(
        &self,
        asked: &Asked,
        id: &str,
        keep_keys: bool,
    ) -> Result<Told<ToldDeletedClient>, ClientError> {
        self.same_protocol()?;
        let request = wire::DeleteOauthClientRequest { asked: Some(asked.into()), id: id.to_owned(), keep_keys };
        documents::read(&self.bounded_by(REMOTE, self.oauth_clients().delete_oauth_client(request)).await?.json)
    }

    fn oauth_clients(&self) -> OauthClientServiceClient<Channel> {
        OauthClientServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}

fn texts(texts: Option<Vec<String>>) -> Option<wire::Texts> {
    texts.map(|texts| wire::Texts { texts })
}
