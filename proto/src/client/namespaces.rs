//! The calls of `NamespaceService`.

use super::{Client, ClientError, calls::origin, channel::Channel, distrust};
use crate::{
    account::Namespace,
    wire::{self, namespace_service_client::NamespaceServiceClient},
};

impl Client {
    /// The namespaces of the node's owner, or with `all` everybody's.
    pub async fn list_namespaces(&self, all: bool) -> Result<Vec<Namespace>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListNamespacesRequest { all };
        distrust::namespaces(self.bounded(self.namespaces().list_namespaces(request)).await?.namespaces)
    }

    /// Makes a namespace.
    pub async fn create_namespace(&self, name: &str) -> Result<Namespace, ClientError> {
        self.same_protocol()?;
        let request = wire::CreateNamespaceRequest { name: name.to_owned() };
        row(self.bounded(self.namespaces().create_namespace(request)).await?.namespace)
    }

    /// Calls a namespace, told by id or name, by another name.
    pub async fn rename_namespace(&self, namespace: &str, name: &str) -> Result<Namespace, ClientError> {
        self.same_protocol()?;
        let request = wire::RenameNamespaceRequest { namespace: namespace.to_owned(), name: name.to_owned() };
        row(self.bounded(self.namespaces().rename_namespace(request)).await?.namespace)
    }

    /// Deletes a namespace, told by id or name, and ends its tokens.
    pub async fn delete_namespace(&self, namespace: &str) -> Result<Namespace, ClientError> {
        self.same_protocol()?;
        let request = wire::DeleteNamespaceRequest { namespace: namespace.to_owned() };
        row(self.bounded(self.namespaces().delete_namespace(request)).await?.namespace)
    }

    fn namespaces(&self) -> NamespaceServiceClient<Channel> {
        NamespaceServiceClient::with_origin(self.channel.clone(), origin())
    }
}

fn row(told: Option<wire::Namespace>) -> Result<Namespace, ClientError> {
    distrust::namespace(told.unwrap_or_default())
}
