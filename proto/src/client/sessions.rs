//! The calls of `SessionService`.

use super::{
    Client, ClientError,
    account::REMOTE,
    asked::{Asked, Told},
    calls::{DOCUMENT_LIMIT, origin},
    channel::Channel,
    documents,
};
use crate::{
    account::{
        List,
        told::{ToldEnd, ToldSession},
    },
    wire::{self, session_service_client::SessionServiceClient},
};

impl Client {
    /// The sessions of the namespace that have not ended.
    pub async fn list_sessions(&self, asked: &Asked) -> Result<Told<List<ToldSession>>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListSessionsRequest { asked: Some(asked.into()) };
        documents::read(&self.bounded_by(REMOTE, self.sessions().list_sessions(request)).await?.json)
    }

    /// Ends a session, and the keys that were minted through it unless `keep_keys`.
    pub async fn revoke_session(&self, asked: &Asked, id: &str, keep_keys: bool) -> Result<Told<ToldEnd>, ClientError> {
        self.same_protocol()?;
        let request = wire::RevokeSessionRequest { asked: Some(asked.into()), id: id.to_owned(), keep_keys };
        documents::read(&self.bounded_by(REMOTE, self.sessions().revoke_session(request)).await?.json)
    }

    fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(DOCUMENT_LIMIT)
    }
}
