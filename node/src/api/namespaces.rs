//! `/v1/namespaces`.

use bitrouter_proto::account::{List, Namespace};
use serde::Serialize;

use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        granted::Actor,
        idempotency::{Claim, Made},
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

/// All that the person behind the credential reaches, also where it is baked with one of them: the oldest first. At the
/// control socket the owner speaks of his own alone.
pub(super) async fn list(call: Call) -> Result<List<Namespace>, ApiError> {
    let (node, person) = (&call.node, call.granted.person()?);
    let data = match call.granted.actor {
        Actor::Socket(_) => namespaces::list(node, person).await?,
        _ => {
            let mut reached = namespaces::reached(node, person).await?;
            reached.sort_by_key(|one| (one.row.created_at, one.row.id));
            reached.into_iter().map(Namespace::from).collect()
        }
    };
    Ok(List { data })
}

/// Makes one.
pub(super) async fn create(call: Call) -> Result<Made<Namespace>, ApiError> {
    let mut members = Members::read(&call.body)?;
    let name = members.text("name")?;
    members.end()?;
    let (node, owner) = (&call.node, call.granted.person()?);
    let mut write = node.store.write().await?;
    let free = match Claim::of(&call, &mut write).await? {
        Claim::Free(free) => free,
        Claim::Used(used) => {
            let is_there = used.resource().is_some_and(|id| node.roles.owner(id) == Some(owner));
            return used.replayed(is_there, "deleted");
        }
    };
    let made = namespaces::create_in(node, &mut write, owner, &name).await?;
    if let Some(free) = free {
        free.keep(&mut write, &made.id.to_string(), Some(&made)).await?;
    }
    write.commit_then(|| node.roles.add_namespace(made.id, owner)).await?;
    Ok(Made::New(made))
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
