//! `ConsoleService`.

use bitrouter_proto::wire::{OpenConsoleRequest, OpenConsoleResponse, console_service_server::ConsoleService};
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use super::{node_call::node, peer_of};
use crate::{
    health::{Code, Health},
    node_host::NodeHost,
};

pub(super) struct Service {
    host: NodeHost,
    health: Health,
    /// Where programs of this machine reach us, as `http://host:port`.
    http: String,
}

impl Service {
    pub(super) fn new(host: NodeHost, health: Health, http: String) -> Self {
        Self { host, health, http }
    }
}

#[tonic::async_trait]
impl ConsoleService for Service {
    async fn open_console(
        &self,
        request: Request<OpenConsoleRequest>,
    ) -> Result<Response<OpenConsoleResponse>, Status> {
        let peer = peer_of(&request)?;
        let node = node(&self.host).await?;
        // Where the kernel names nobody, a link that only one user may follow leads nowhere.
        let uid = (!self.health.is_raised(Code::PeerLookupUnavailable)).then_some(peer.uid);
        let link = node.console_link(uid);
        Ok(Response::new(OpenConsoleResponse {
            url: format!("{}{}", self.http, link.path.expose_secret()),
            bound: uid.is_some(),
            expires_in: u32::try_from(link.expires_in.as_secs()).unwrap_or(u32::MAX),
        }))
    }
}
