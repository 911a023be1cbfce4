//! The calls of `PersonService` and `ConsoleService`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Client, ClientError, calls::origin, channel::Channel, distrust};
use crate::{
    account::Person,
    wire::{self, console_service_client::ConsoleServiceClient, person_service_client::PersonServiceClient},
};

/// A link that signs the node's owner in once.
#[derive(Clone, Debug)]
pub struct ConsoleLink {
    /// Where it leads.
    pub url: SecretString,
    /// How long it is good.
    pub expires_in: Duration,
    /// True where nobody but this user can follow it.
    pub is_bound: bool,
}

impl Client {
    /// Everybody who can sign in to the node, and its owner.
    pub async fn list_people(&self) -> Result<Vec<Person>, ClientError> {
        self.same_protocol()?;
        distrust::people(self.bounded(self.people().list_people(wire::ListPeopleRequest {})).await?.people)
    }

    /// Makes a person.
    pub async fn add_person(&self, name: &str, password: &SecretString) -> Result<Person, ClientError> {
        self.same_protocol()?;
        let request = wire::AddPersonRequest { name: name.to_owned(), password: password.expose_secret().to_owned() };
        row(self.bounded(self.people().add_person(request)).await?.person)
    }

    /// Gives a person, told by id or name, another password.
    pub async fn set_password(&self, person: &str, password: &SecretString) -> Result<Person, ClientError> {
        self.same_protocol()?;
        let request =
            wire::SetPasswordRequest { person: person.to_owned(), password: password.expose_secret().to_owned() };
        row(self.bounded(self.people().set_password(request)).await?.person)
    }

    /// Removes a person, told by id or name, with the namespaces that the person owns.
    pub async fn remove_person(&self, person: &str) -> Result<Person, ClientError> {
        self.same_protocol()?;
        let request = wire::RemovePersonRequest { person: person.to_owned() };
        row(self.bounded(self.people().remove_person(request)).await?.person)
    }

    /// A link to the node's console. It is one of this machine, or nothing.
    pub async fn open_console(&self) -> Result<ConsoleLink, ClientError> {
        self.same_protocol()?;
        let mut service = ConsoleServiceClient::with_origin(self.channel.clone(), origin());
        let told = self.bounded(service.open_console(wire::OpenConsoleRequest {})).await?;
        Ok(ConsoleLink {
            url: distrust::loopback_url(told.url)?.into(),
            expires_in: Duration::from_secs(told.expires_in.into()),
            is_bound: told.bound,
        })
    }

    fn people(&self) -> PersonServiceClient<Channel> {
        PersonServiceClient::with_origin(self.channel.clone(), origin())
    }
}

fn row(told: Option<wire::Person>) -> Result<Person, ClientError> {
    distrust::person(told.unwrap_or_default())
}
