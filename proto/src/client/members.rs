//! The calls of `MemberService`.

use super::{
    Client, ClientError,
    calls::{MESSAGE_LIMIT, origin},
    channel::Channel,
    distrust,
};
use crate::{
    account::{Member, Role},
    wire::{self, member_service_client::MemberServiceClient},
};

impl Client {
    /// Everybody with a role in a namespace of the own node's owner, told by id or name.
    pub async fn list_members(&self, namespace: &str) -> Result<Vec<Member>, ClientError> {
        self.same_protocol()?;
        let request = wire::ListMembersRequest { namespace: namespace.to_owned() };
        let told = self.bounded(self.members().list_members(request)).await?;
        told.members.into_iter().map(distrust::member).collect()
    }

    /// Gives a person, told by id or name, a role in a namespace, or another one.
    pub async fn add_member(&self, namespace: &str, person: &str, role: Role) -> Result<Member, ClientError> {
        self.same_protocol()?;
        let request = wire::AddMemberRequest {
            namespace: namespace.to_owned(),
            person: person.to_owned(),
            role: role.as_str().to_owned(),
        };
        distrust::member(self.bounded(self.members().add_member(request)).await?.member.unwrap_or_default())
    }

    /// Takes the role away from a person; who it was.
    pub async fn remove_member(&self, namespace: &str, person: &str) -> Result<Member, ClientError> {
        self.same_protocol()?;
        let request = wire::RemoveMemberRequest { namespace: namespace.to_owned(), person: person.to_owned() };
        distrust::member(self.bounded(self.members().remove_member(request)).await?.member.unwrap_or_default())
    }

    fn members(&self) -> MemberServiceClient<Channel> {
        MemberServiceClient::with_origin(self.channel.clone(), origin()).max_decoding_message_size(MESSAGE_LIMIT)
    }
}
