//! `MemberService`: acts for the node's owner.

use bitrouter_node::people::MemberError;
use bitrouter_proto::{
    account::Role,
    codes::Reason,
    wire::{
        AddMemberRequest, AddMemberResponse, ListMembersRequest, ListMembersResponse, RemoveMemberRequest,
        RemoveMemberResponse, member_service_server::MemberService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    error, namespaces,
    node_call::{change, node},
    people,
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
impl MemberService for Service {
    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let node = node(&self.host).await?;
        let members = node.list_members(&request.into_inner().namespace).await.map_err(refused)?;
        Ok(Response::new(ListMembersResponse { members: members.into_iter().map(Into::into).collect() }))
    }

    async fn add_member(&self, request: Request<AddMemberRequest>) -> Result<Response<AddMemberResponse>, Status> {
        let AddMemberRequest { namespace, person, role } = request.into_inner();
        let role = Role::parse_given(&role).ok_or_else(|| {
            let all: Vec<_> = Role::GIVEN.iter().map(|role| role.as_str()).collect();
            let message = format!("`{role}` is no role that can be given: {}", all.join(", "));
            error::status(Reason::InvalidArgument, message, None)
        })?;
        let node = node(&self.host).await?;
        let member = change(&node, |on| async move { on.set_member(&namespace, &person, role).await }, refused).await?;
        Ok(Response::new(AddMemberResponse { member: Some(member.into()) }))
    }

    async fn remove_member(
        &self,
        request: Request<RemoveMemberRequest>,
    ) -> Result<Response<RemoveMemberResponse>, Status> {
        let RemoveMemberRequest { namespace, person } = request.into_inner();
        let node = node(&self.host).await?;
        let member = change(&node, |on| async move { on.remove_member(&namespace, &person).await }, refused).await?;
        Ok(Response::new(RemoveMemberResponse { member: Some(member.into()) }))
    }
}

fn refused(why: MemberError) -> Status {
    match why {
        MemberError::Namespace(why) => namespaces::refused(why),
        MemberError::Person(why) => people::refused(why),
        MemberError::NoMember(_) => {
            error::status(Reason::NotFound, why.to_string(), Some("bitrouter node member list"))
        }
        MemberError::Owner(_) => error::status(Reason::Conflict, why.to_string(), None),
        MemberError::Store(failure) => {
            tracing::error!(error = %failure, "the node's database failed");
            error::status(Reason::Internal, failure.to_string(), None)
        }
    }
}
