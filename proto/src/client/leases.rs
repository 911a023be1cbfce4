//! The calls of `LeaseService`: a key of the own node for one run of a program.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tonic::Streaming;

use super::{
    Client, ClientError,
    asked::Told,
    calls::{origin, refused},
    channel::Channel,
    distrust, documents,
};
use crate::{
    account::{MicroUsd, RunSummary},
    wire::{self, hold_lease_request::How, hold_lease_response::Event, lease_service_client::LeaseServiceClient},
};

/// What a lease is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLease {
    /// What its key and its policies are to be called.
    pub name: String,
    /// A namespace of the owner's, by id or name; `None`: the first one.
    pub namespace: Option<String>,
    /// What its calls may cost in all; `None`: anything.
    pub budget: Option<MicroUsd>,
    /// Patterns of the models that may be called; none: every model.
    pub models: Vec<String>,
    /// When it ends by itself, in whole seconds from now.
    pub lasts: Duration,
}

/// What shows whose lease it is.
#[derive(Clone, Debug)]
pub struct LeaseClaim {
    /// The id of its key.
    pub id: String,
    /// What it was told with.
    pub secret: SecretString,
}

/// A lease that was opened.
#[derive(Clone, Debug)]
pub struct OpenedLease {
    /// What claims it again, and ends it.
    pub claim: LeaseClaim,
    /// Its key.
    pub key: SecretString,
    /// The namespace that its calls are made in.
    pub namespace: String,
    /// RFC 3339, UTC.
    pub expires_at: String,
    /// The daemon's own listener, as `http://host:port`.
    pub base_url: String,
}

/// What happens to a lease that is held.
#[derive(Clone, Debug)]
pub enum LeaseEvent {
    /// It was opened.
    Opened(Box<OpenedLease>),
    /// It is held again, by the daemon that listens there.
    Claimed {
        /// As `http://host:port`.
        base_url: String,
    },
    /// It has ended: it expired, or somebody revoked its key.
    Over {
        /// When it was to expire; RFC 3339, UTC.
        expires_at: String,
    },
}

/// The stream by which a lease is held. Dropping it lets go of the lease.
pub struct LeaseEvents {
    stream: Streaming<wire::HoldLeaseResponse>,
    is_foreign: bool,
}

impl Client {
    /// Opens a lease: its first event says which.
    ///
    /// # Errors
    /// Where the daemon has no node, or refuses.
    pub async fn open_lease(&self, new: &NewLease) -> Result<LeaseEvents, ClientError> {
        let NewLease { name, namespace, budget, models, lasts } = new.clone();
        self.hold(How::Open(wire::OpenLease {
            name,
            namespace: namespace.unwrap_or_default(),
            budget_micro_usd: budget.map(MicroUsd::micros),
            models,
            lasts_s: lasts.as_secs(),
        }))
        .await
    }

    /// Claims a lease whose stream was lost.
    ///
    /// # Errors
    /// Where it has ended, or is another's.
    pub async fn claim_lease(&self, claim: &LeaseClaim) -> Result<LeaseEvents, ClientError> {
        self.hold(How::Claim(claim.into())).await
    }

    /// Ends a lease; what its run used.
    ///
    /// # Errors
    /// Where there is none such.
    pub async fn end_lease(&self, claim: &LeaseClaim) -> Result<Told<RunSummary>, ClientError> {
        self.same_protocol()?;
        let request = wire::EndLeaseRequest { claim: Some(claim.into()) };
        documents::read(&self.bounded(self.leases().end_lease(request)).await?.json)
    }

    async fn hold(&self, how: How) -> Result<LeaseEvents, ClientError> {
        self.same_protocol()?;
        let stream = self.bounded(self.leases().hold_lease(wire::HoldLeaseRequest { how: Some(how) })).await?;
        Ok(LeaseEvents { stream, is_foreign: self.is_foreign() })
    }

    fn leases(&self) -> LeaseServiceClient<Channel> {
        LeaseServiceClient::with_origin(self.channel.clone(), origin())
    }
}

impl From<&LeaseClaim> for wire::LeaseClaim {
    fn from(claim: &LeaseClaim) -> Self {
        Self { lease_id: claim.id.clone(), claim_token: claim.secret.expose_secret().to_owned() }
    }
}

impl LeaseEvents {
    /// The next one; `None` where the daemon ends, and the lease is not over.
    ///
    /// # Errors
    /// Where the connection broke, or the daemon refuses.
    pub async fn next(&mut self) -> Result<Option<LeaseEvent>, ClientError> {
        loop {
            let message = self.stream.message().await.map_err(|status| refused(&status, self.is_foreign))?;
            let Some(message) = message else { return Ok(None) };
            // What a newer daemon tells besides is passed over.
            if let Some(event) = message.event {
                return Ok(Some(LeaseEvent::of(event)?));
            }
        }
    }
}

impl LeaseEvent {
    fn of(event: Event) -> Result<Self, ClientError> {
        Ok(match event {
            Event::Opened(opened) => {
                let claim = LeaseClaim { id: word(opened.lease_id)?, secret: word(opened.claim_token)?.into() };
                Self::Opened(Box::new(OpenedLease {
                    claim,
                    key: word(opened.api_key)?.into(),
                    namespace: distrust::line(opened.namespace_id),
                    expires_at: distrust::line(opened.expires_at),
                    base_url: distrust::loopback_url(opened.base_url)?,
                }))
            }
            Event::Claimed(claimed) => Self::Claimed { base_url: distrust::loopback_url(claimed.base_url)? },
            Event::Over(over) => Self::Over { expires_at: distrust::line(over.expires_at) },
        })
    }
}

/// What goes into a variable, or is sent back: one plain word.
fn word(text: String) -> Result<String, ClientError> {
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(ClientError::Broken("it answered a lease that is none".to_owned()))
}
