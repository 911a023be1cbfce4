//! `/v1/account`: the person behind the credential.

use bitrouter_proto::account::{Account, Name, PersonId};

use super::namespaces::Deleted;
use crate::{
    Node,
    http::{
        Call,
        error::{ApiError, Code},
        members::Members,
    },
    people::PeopleError,
    store::AccountRow,
};

pub(super) async fn show(call: Call) -> Result<Account, ApiError> {
    read(&call.node, call.granted.person()?).await
}

pub(super) async fn change(call: Call) -> Result<Account, ApiError> {
    let mut members = Members::read(&call.body)?;
    let display_name = members.text("display_name")?;
    members.end()?;
    let name: Name = display_name
        .parse()
        .map_err(|error| ApiError::new(Code::BadRequest, format!("{error}")).about("display_name"))?;
    let person = call.granted.person()?;
    let mut write = call.node.store.write().await?;
    AccountRow::set_display_name(&mut write, person, name.as_str()).await?;
    write.commit().await?;
    read(&call.node, person).await
}

/// Removes the person with all that is the person's own. There is no way back.
pub(super) async fn delete(call: Call) -> Result<Deleted, ApiError> {
    let (person, credential) = (call.granted.person()?, call.granted.actor.idempotency_name()?);
    match call.node.remove_with(&person.to_string(), &credential).await {
        Ok(_) => Ok(Deleted::YES),
        Err(error @ PeopleError::OwnsTheNode(_)) => Err(ApiError::new(Code::Conflict, error.to_string())),
        Err(PeopleError::Nobody(_)) => Err(gone()),
        Err(PeopleError::Store(error)) => Err(error.into()),
        Err(error @ (PeopleError::Taken(_) | PeopleError::Busy(_))) => {
            Err(ApiError::new(Code::Unavailable, error.to_string()))
        }
    }
}

pub(super) async fn read(node: &Node, person: PersonId) -> Result<Account, ApiError> {
    let row = AccountRow::find(&mut node.store.read().await?, person).await?.ok_or_else(gone)?;
    Ok(Account { id: person, email: None, display_name: row.display_name, created_at: row.created_at.to_string() })
}

/// The person was removed while the call was on its way.
fn gone() -> ApiError {
    let message = "the person behind this credential is not there any more; the node's owner can make another one with `bitrouter node user add NAME`";
    ApiError::new(Code::Unauthorized, message)
}
