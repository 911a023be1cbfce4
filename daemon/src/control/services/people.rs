//! `PersonService`.

use bitrouter_node::{
    Node,
    people::{Password, PeopleError},
    store::PersonRow,
};
use bitrouter_proto::{
    account::{Name, NameError, PasswordError, Person},
    codes::Reason,
    wire::{
        AddPersonRequest, AddPersonResponse, ListPeopleRequest, ListPeopleResponse, RemovePersonRequest,
        RemovePersonResponse, SetPasswordRequest, SetPasswordResponse, person_service_server::PersonService,
    },
};
use secrecy::SecretString;
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
impl PersonService for Service {
    async fn list_people(&self, _: Request<ListPeopleRequest>) -> Result<Response<ListPeopleResponse>, Status> {
        let node = node(&self.host).await?;
        let rows = node.list_users().await.map_err(refused)?;
        let people = rows.into_iter().map(|row| person(&node, row).into()).collect();
        Ok(Response::new(ListPeopleResponse { people }))
    }

    async fn add_person(&self, request: Request<AddPersonRequest>) -> Result<Response<AddPersonResponse>, Status> {
        let AddPersonRequest { name, password } = request.into_inner();
        let password = chosen(password)?;
        let node = node(&self.host).await?;
        let name: Name =
            name.parse().map_err(|why: NameError| error::status(Reason::InvalidArgument, why.to_string(), None))?;
        let row = change(&node, |on| async move { on.add_user(name, password).await }, refused).await?;
        Ok(Response::new(AddPersonResponse { person: Some(person(&node, row).into()) }))
    }

    async fn set_password(
        &self,
        request: Request<SetPasswordRequest>,
    ) -> Result<Response<SetPasswordResponse>, Status> {
        let SetPasswordRequest { person: who, password } = request.into_inner();
        let password = chosen(password)?;
        let node = node(&self.host).await?;
        let row = change(&node, |on| async move { on.set_password(&who, password).await }, refused).await?;
        Ok(Response::new(SetPasswordResponse { person: Some(person(&node, row).into()) }))
    }

    async fn remove_person(
        &self,
        request: Request<RemovePersonRequest>,
    ) -> Result<Response<RemovePersonResponse>, Status> {
        let node = node(&self.host).await?;
        let who = request.into_inner().person;
        let row = change(&node, |on| async move { on.remove_user(&who).await }, refused).await?;
        Ok(Response::new(RemovePersonResponse { person: Some(person(&node, row).into()) }))
    }
}

/// Makes a secret of a password the moment it is off the wire.
fn chosen(password: String) -> Result<Password, Status> {
    Password::new(SecretString::from(password))
        .map_err(|why: PasswordError| error::status(Reason::InvalidArgument, why.to_string(), None))
}

fn person(node: &Node, row: PersonRow) -> Person {
    Person {
        owner: row.id == node.owner(),
        id: row.id,
        name: row.name,
        created_at: row.created_at.to_string(),
        can_sign_in: row.has_password,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub(super) fn refused(why: PeopleError) -> Status {
    let reason = match &why {
        PeopleError::Nobody(_) => Reason::NotFound,
        PeopleError::Taken(_) | PeopleError::OwnsTheNode(_) => Reason::Conflict,
        PeopleError::Busy(_) => Reason::LimitReached,
        PeopleError::Store(failure) => {
            tracing::error!(error = %failure, "the node's database failed");
            Reason::Internal
        }
    };
    let is_about_who = matches!(reason, Reason::NotFound | Reason::Conflict);
    let command = is_about_who.then_some("bitrouter node user list");
    error::status(reason, why.to_string(), command)
}
