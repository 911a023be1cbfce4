//! `LeaseService`.

use std::{pin::Pin, sync::Arc, time::Duration};

use bitrouter_node::{
    leases::{IsGone, LeaseError, LeaseHold, NewLease},
    people::namespaces,
};
use bitrouter_proto::{
    account::{KeyId, MicroUsd},
    codes::Reason,
    wire::{
        EndLeaseRequest, EndLeaseResponse, HoldLeaseRequest, HoldLeaseResponse, LeaseClaim, LeaseClaimed, LeaseOpened,
        LeaseOver, OpenLease, hold_lease_request::How, hold_lease_response::Event, lease_service_server::LeaseService,
    },
};
use futures_util::{Stream, stream};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    error,
    namespaces::refused as no_namespace,
    node_call::{change, json, node},
    peer_of,
};
use crate::{
    agent::Agent,
    control_peer::ControlPeer,
    environment::Process,
    listener::{PortUid, who_listens},
    node_host::NodeHost,
    status::StatusReader,
};

pub(super) struct Service {
    host: NodeHost,
    status: StatusReader,
    closing: CancellationToken,
}

impl Service {
    pub(super) fn new(agent: &Agent, closing: CancellationToken) -> Self {
        Self { host: agent.node.clone(), status: agent.status.clone(), closing }
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<HoldLeaseResponse, Status>> + Send>>;

#[tonic::async_trait]
impl LeaseService for Service {
    type HoldLeaseStream = Messages;

    async fn hold_lease(&self, request: Request<HoldLeaseRequest>) -> Result<Response<Messages>, Status> {
        let is_gone = is_gone(peer_of(&request)?);
        let base_url = own_address(self.status.http())?;
        let (hold, first) = match request.into_inner().how {
            Some(How::Open(new)) => self.open(new, is_gone, base_url).await?,
            Some(How::Claim(claim)) => {
                let (id, secret) = claimed(Some(claim))?;
                let node = node(&self.host).await?;
                let hold =
                    change(&node, |on| async move { on.claim_lease(id, &secret, is_gone).await }, refused).await?;
                let expires_at = String::new();
                (Held { hold, expires_at }, Event::Claimed(LeaseClaimed { base_url }))
            }
            None => {
                let message = "the request neither opens nor claims a lease";
                return Err(error::status(Reason::InvalidArgument, message, None));
            }
        };
        Ok(Response::new(Box::pin(events(hold, first, self.closing.clone()))))
    }

    async fn end_lease(&self, request: Request<EndLeaseRequest>) -> Result<Response<EndLeaseResponse>, Status> {
        let (id, secret) = claimed(request.into_inner().claim)?;
        let node = node(&self.host).await?;
        let summary = change(&node, |on| async move { on.end_lease(id, &secret).await }, refused).await?;
        Ok(Response::new(EndLeaseResponse { json: json(&summary)? }))
    }
}

/// A lease that is held by a stream.
struct Held {
    hold: LeaseHold,
    expires_at: String,
}

impl Service {
    async fn open(&self, new: OpenLease, is_gone: IsGone, base_url: String) -> Result<(Held, Event), Status> {
        let OpenLease { name, namespace, budget_micro_usd, models, lasts_s } = new;
        let node = node(&self.host).await?;
        let namespace = if namespace.is_empty() {
            node.first_namespace()
        } else {
            namespaces::find(&node, node.owner(), &namespace).await.map_err(no_namespace)?.id
        };
        let budget = budget_micro_usd.map(MicroUsd::new);
        let new = NewLease { name, namespace, budget, models, lasts: Duration::from_secs(lasts_s) };
        let opened = change(&node, |on| async move { on.open_lease(new, is_gone).await }, refused).await?;
        let (opened, hold) = opened;
        let expires_at = opened.expires_at.to_string();
        let first = LeaseOpened {
            lease_id: opened.id.to_string(),
            api_key: opened.key.expose_secret().to_owned(),
            claim_token: opened.claim.expose_secret().to_owned(),
            namespace_id: namespace.to_string(),
            expires_at: expires_at.clone(),
            base_url,
        };
        Ok((Held { hold, expires_at }, Event::Opened(first)))
    }
}

/// The stream of a lease: what it is, then nothing until it is over. Dropped, nobody holds the lease.
fn events(
    held: Held,
    first: Event,
    closing: CancellationToken,
) -> impl Stream<Item = Result<HoldLeaseResponse, Status>> + Send {
    stream::unfold(Some((held, Some(first))), move |state| {
        let closing = closing.clone();
        async move {
            let (held, first) = state?;
            if let Some(first) = first {
                return Some((Ok(HoldLeaseResponse { event: Some(first) }), Some((held, None))));
            }
            let is_over = tokio::select! {
                is_over = held.hold.over() => is_over,
                () = closing.cancelled() => false,
            };
            let over = LeaseOver { expires_at: held.expires_at };
            is_over.then_some((Ok(HoldLeaseResponse { event: Some(Event::Over(over)) }), None))
        }
    })
}

/// Whether the process at the other end is gone for good. One that nobody can see may come back.
fn is_gone(peer: ControlPeer) -> IsGone {
    let process = peer.pid.and_then(Process::of_pid);
    Arc::new(move || process.is_some_and(Process::is_gone))
}

/// Where programs reach us, once it is sure that nobody else listens at that port: a key is sent there.
fn own_address(http: &str) -> Result<String, Status> {
    let port = http.rsplit_once(':').and_then(|(_, port)| port.trim_end_matches('/').parse().ok());
    let own = rustix::process::geteuid().as_raw();
    match port.map(who_listens) {
        // A service manager's listener is root's.
        Some(PortUid::One(uid, _)) if uid == own || uid == 0 => Ok(http.to_owned()),
        // Where the kernel does not say, the port is ours as far as it was bound by us.
        Some(PortUid::Unknown) => Ok(http.to_owned()),
        Some(PortUid::Several | PortUid::One(..)) => {
            let message =
                format!("another user's process listens at the port of `{http}` too: no key is given to programs");
            Err(error::status(Reason::Conflict, message, Some("bitrouter status")))
        }
        Some(PortUid::Nobody) | None => {
            let message = format!("nobody listens at `{http}` any more");
            Err(error::status(Reason::Draining, message, Some("bitrouter status")))
        }
    }
}

fn claimed(claim: Option<LeaseClaim>) -> Result<(KeyId, SecretString), Status> {
    let LeaseClaim { lease_id, claim_token } = claim.unwrap_or_default();
    let secret = SecretString::from(claim_token);
    let id = lease_id.parse().map_err(|_| refused(LeaseError::Absent))?;
    Ok((id, secret))
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn refused(why: LeaseError) -> Status {
    let (reason, command) = match &why {
        LeaseError::Spec(spec) if spec.is_limit => (Reason::LimitReached, None),
        LeaseError::Name(_) | LeaseError::Lasts | LeaseError::Spec(_) => (Reason::InvalidArgument, None),
        LeaseError::TooManyPolicies => (Reason::LimitReached, Some("bitrouter cloud policy list --local")),
        LeaseError::Key(_) => (Reason::Conflict, Some("bitrouter cloud keys list --local")),
        LeaseError::Absent => (Reason::NotFound, None),
        LeaseError::Over => (Reason::Conflict, None),
        LeaseError::NotInForce | LeaseError::Unread(_) | LeaseError::Store(_) => {
            tracing::error!(error = %why, "a lease failed");
            (Reason::Internal, Some("bitrouter logs"))
        }
    };
    error::status(reason, why.to_string(), command)
}
