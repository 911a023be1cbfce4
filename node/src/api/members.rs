//! `/v1/namespaces/{nsid}/members`: who else may do something in a namespace. Its owner alone says so, at a browser.

use bitrouter_proto::account::{List, Member, Role};
use serde::Serialize;

use crate::{
    http::{
        Call,
        error::{ApiError, Code},
        idempotency::{Claim, Made},
        members::Members,
    },
    people::{
        PeopleError,
        members::{self, MemberError},
    },
};

/// Somebody who is a member no more.
#[derive(Debug, Serialize)]
pub(super) struct Removed {
    removed: bool,
}

/// Everybody with a role: the owner, then the members, the oldest first.
pub(super) async fn list(call: Call) -> Result<List<Member>, ApiError> {
    let data = members::everybody(&call.node, call.granted.namespace()?).await?;
    Ok(List { data })
}

/// Makes a person a member, or gives a member another role.
pub(super) async fn set(call: Call) -> Result<Made<Member>, ApiError> {
    let mut body = Members::read(&call.body)?;
    let (id, name) = (body.optional_text("person_id")?, body.optional_text("name")?);
    let role = body.text("role")?;
    body.end()?;
    let (who, field) = match (id, name) {
        (Some(id), None) => (id, "person_id"),
        (None, Some(name)) => (name, "name"),
        (Some(_), Some(_)) => return Err(bad("`person_id` and `name` mean the same: send one of them").about("name")),
        (None, None) => return Err(bad("`name` is missing").about("name")),
    };
    let role = Role::parse_given(&role).ok_or_else(|| {
        let all = Role::GIVEN.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        bad(format!("`role` must be one of {all}")).about("role")
    })?;
    let (node, namespace) = (&call.node, call.granted.namespace()?);
    let mut write = node.store.write().await?;
    let free = match Claim::of(&call, &mut write).await? {
        Claim::Free(free) => free,
        Claim::Used(used) => {
            let is_there = used.resource().is_some_and(|person| node.roles.of(person, namespace) == Some(role));
            return used.replayed(is_there, "removed or given another role");
        }
    };
    let change = members::change_in(node, &mut write, namespace, &who, role).await.map_err(|error| of(error, field))?;
    if let Some(free) = free {
        free.keep(&mut write, &change.member.person_id.to_string(), Some(&change.member)).await?;
    }
    members::finish(node, write, &change).await?;
    Ok(Made::New(change.member))
}

/// Removes a member: sessions and keys of that person in the namespace open nothing any more.
pub(super) async fn remove(call: Call) -> Result<Removed, ApiError> {
    let person = call.granted.member.ok_or_else(|| ApiError::new(Code::NotFound, "there is no such member"))?;
    let removed = members::remove(&call.node, call.granted.namespace()?, &person.to_string()).await;
    removed.map_err(|error| of(error, "person_id"))?;
    Ok(Removed { removed: true })
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::BadRequest, message)
}

/// `field`: what the person was named by.
fn of(error: MemberError, field: &'static str) -> ApiError {
    let message = error.to_string();
    match error {
        MemberError::Namespace(error) => error.into(),
        MemberError::Person(PeopleError::Nobody(_)) => ApiError::new(Code::NotFound, message).about(field),
        MemberError::NoMember(_) => ApiError::new(Code::NotFound, "there is no such member"),
        MemberError::Owner(_) => ApiError::new(Code::Conflict, message).about(field),
        MemberError::Store(error) | MemberError::Person(PeopleError::Store(error)) => error.into(),
        // What only other verbs say of persons.
        MemberError::Person(_) => ApiError::new(Code::Conflict, message),
    }
}
