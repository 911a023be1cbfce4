//! `NamespaceService`: acts for the node's owner.

use bitrouter_node::people::namespaces::{self, NamespaceError};
use bitrouter_proto::{
    account::{List, Namespace, credential::Credential},
    codes::Reason,
    wire::{
        self, CreateNamespaceRequest, CreateNamespaceResponse, DeleteNamespaceRequest, DeleteNamespaceResponse,
        ListAccountNamespacesRequest, ListAccountNamespacesResponse, ListNamespacesRequest, ListNamespacesResponse,
        RenameNamespaceRequest, RenameNamespaceResponse, namespace_service_server::NamespaceService,
    },
};
use serde::Deserialize;
use tonic::{Request, Response, Status};

use super::{
    account::Account,
    error,
    node_call::{change, node},
};
use crate::{
    credentials::{AccountError, RestCall, RestPath},
    node_host::NodeHost,
};

pub(super) struct Service {
    host: NodeHost,
    account: Account,
}

impl Service {
    pub(super) fn new(host: NodeHost, account: Account) -> Self {
        Self { host, account }
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
        request: Request<ListAccountNamespacesRequest>,
    ) -> Result<Response<ListAccountNamespacesResponse>, Status> {
        let ListAccountNamespacesRequest { api_key, api_url } = request.into_inner();
        let key = self.account.key(api_key, &api_url)?;
        let credentials = &self.account.credentials;
        let json = self.account.call(key.as_ref(), &RestCall::get(RestPath::new(PATH))).await?;
        let session = credentials.session();
        let active = match session.credential.as_deref() {
            Some(Credential::Oauth(tokens)) if key.is_none() => tokens.namespace_id.clone(),
            _ => None,
        };
        let namespaces = rows(&json).map_err(|error| self.account.refused(error, key.is_some()))?;
        Ok(Response::new(ListAccountNamespacesResponse { namespaces, active_id: active.unwrap_or_default(), json }))
    }
}

/// Where an account's namespaces are listed.
pub(super) const PATH: &str = "/v1/namespaces";

/// What we know of the rows that a server answered. Its ids may have another form than ours; what it says besides stays in the
/// document.
#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    created_at: String,
}

pub(super) fn rows(json: &str) -> Result<Vec<wire::Namespace>, AccountError> {
    let list: List<Row> = serde_json::from_str(json).map_err(|_| {
        AccountError::new(Reason::ServerFailed, "the server answered with what is no list of namespaces")
    })?;
    let row = |Row { id, name, created_at }| wire::Namespace { id, name, created_at, ..wire::Namespace::default() };
    Ok(list.data.into_iter().map(row).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub(super) fn refused(why: NamespaceError) -> Status {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_another_server_are_read_with_what_it_says_besides() {
        let json =
            r#"{"data":[{"id":"ns_01jxyz","name":"default","created_at":"t","role":"owner"},{"id":"x"}],"next":null}"#;
        let read = rows(json).unwrap();
        let told: Vec<_> = read.iter().map(|row| (row.id.as_str(), row.name.as_str())).collect();
        assert_eq!(told, [("ns_01jxyz", "default"), ("x", "")]);
        for other in ["[]", "{}", r#"{"data":{}}"#, r#"{"data":[{"name":"x"}]}"#, "null"] {
            assert_eq!(rows(other).unwrap_err().reason, Reason::ServerFailed, "{other}");
        }
    }
}
