//! `NamespaceService`: acts for the node's owner.

use bitrouter_node::people::namespaces::{self, NamespaceError};
use bitrouter_proto::{
    account::Namespace,
    codes::Reason,
    wire::{
        CreateNamespaceRequest, CreateNamespaceResponse, DeleteNamespaceRequest, DeleteNamespaceResponse,
        ListAccountNamespacesRequest, ListAccountNamespacesResponse, ListNamespacesRequest, ListNamespacesResponse,
        RenameNamespaceRequest, RenameNamespaceResponse, namespace_service_server::NamespaceService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    error,
    node_call::{change, node},
};
use crate::node_host::NodeHost;

pub(super) struct Service {
    host: NodeHost,
}

impl Service {
    pub(super) fn new(host: NodeHost) -> Self {
        Self { host }
    }
}

#[tonic::async_trait]
impl NamespaceService for Service {
    async fn list_namespaces(
        &self,
        request: Request<ListNamespacesRequest>,
    ) -> Result<Response<ListNamespacesResponse>, Status> {
        let node = node(&self.host).await?;
        let rows = if request.into_inner().all {
            namespaces::list_all(&node).await
        } else {
            namespaces::list(&node, node.owner()).await
        };
        let namespaces = rows.map_err(refused)?.into_iter();
        let first = node.first_namespace();
        let namespaces = namespaces.map(|row| Namespace { is_first: row.id == first, ..row }.into()).collect();
        Ok(Response::new(ListNamespacesResponse { namespaces }))
    }

    async fn create_namespace(
        &self,
        request: Request<CreateNamespaceRequest>,
    ) -> Result<Response<CreateNamespaceResponse>, Status> {
        let node = node(&self.host).await?;
        let name = request.into_inner().name;
        let row = change(&node, |on| async move { namespaces::create(&on, on.owner(), &name).await }, refused).await?;
        Ok(Response::new(CreateNamespaceResponse { namespace: Some(row.into()) }))
    }

    async fn rename_namespace(
        &self,
        request: Request<RenameNamespaceRequest>,
    ) -> Result<Response<RenameNamespaceResponse>, Status> {
        let node = node(&self.host).await?;
        let RenameNamespaceRequest { namespace, name } = request.into_inner();
        let row =
            change(&node, |on| async move { namespaces::rename(&on, on.owner(), &namespace, &name).await }, refused)
                .await?;
        Ok(Response::new(RenameNamespaceResponse { namespace: Some(row.into()) }))
    }

    async fn delete_namespace(
        &self,
        request: Request<DeleteNamespaceRequest>,
    ) -> Result<Response<DeleteNamespaceResponse>, Status> {
        let node = node(&self.host).await?;
        let namespace = request.into_inner().namespace;
        let row =
            change(&node, |on| async move { namespaces::delete(&on, on.owner(), &namespace).await }, refused).await?;
        Ok(Response::new(DeleteNamespaceResponse { namespace: Some(row.into()) }))
    }

    async fn list_account_namespaces(
        &self,
        _: Request<ListAccountNamespacesRequest>,
    ) -> Result<Response<ListAccountNamespacesResponse>, Status> {
        Err(error::status(Reason::NotSignedIn, "nobody is signed in to an account", Some("bitrouter auth login")))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn refused(why: NamespaceError) -> Status {
    let reason = match &why {
        NamespaceError::Absent(_) => Reason::NotFound,
        NamespaceError::Name(_) => Reason::InvalidArgument,
        NamespaceError::Taken(_) | NamespaceError::Last | NamespaceError::First => Reason::Conflict,
        NamespaceError::Limit => Reason::LimitReached,
        NamespaceError::Store(failure) => {
            tracing::error!(error = %failure, "the node's database failed");
            Reason::Internal
        }
    };
    let is_about_which = matches!(reason, Reason::NotFound | Reason::Conflict | Reason::LimitReached);
    let command = is_about_which.then_some("bitrouter node namespace list");
    error::status(reason, why.to_string(), command)
}
