//! `/v1/namespaces`.

use bitrouter_proto::account::{List, Namespace};
use serde::Serialize;

use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        members::Members,
    },
    people::namespaces::{self, NamespaceError},
};

/// What is there no more.
#[derive(Debug, Serialize)]
pub(super) struct Deleted {
    deleted: bool,
}

impl Deleted {
    pub(super) const YES: Self = Self { deleted: true };
}

/// All that the person behind the credential owns, the oldest first, also where it is baked with one of them.
pub(super) async fn list(call: Call) -> Result<List<Namespace>, ApiError> {
    let data = namespaces::list(&call.node, call.granted.person()?).await?;
    Ok(List { data })
}

pub(super) async fn create(call: Call) -> Result<Namespace, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = members.text("name")?;
    members.end()?;
    Ok(namespaces::create(&call.node, call.granted.person()?, &name).await?)
}

pub(super) async fn delete(call: Call) -> Result<Deleted, ApiError> {
    let id = call.granted.namespace()?.to_string();
    namespaces::delete(&call.node, call.granted.person()?, &id).await?;
    Ok(Deleted::YES)
}

impl From<NamespaceError> for ApiError {
    fn from(error: NamespaceError) -> Self {
        let message = error.to_string();
        match error {
            NamespaceError::Absent(_) => Self::new(Code::NotFound, "there is no such namespace"),
            NamespaceError::Name(_) => Self::new(Code::BadRequest, message).about("name"),
            NamespaceError::Taken(_) => Self::new(Code::Conflict, message).about("name"),
            NamespaceError::Limit | NamespaceError::Last | NamespaceError::First => Self::new(Code::Conflict, message),
            NamespaceError::Store(error) => error.into(),
        }
    }
}
