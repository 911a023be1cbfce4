//! A lease of the own node, held for as long as the command runs: also across a restart of the daemon, and a crash.

use std::time::{Duration, Instant};

use bitrouter_proto::{
    client::{Client, ClientError, LeaseClaim, LeaseEvent, LeaseEvents, OpenedLease},
    clock,
    codes::Reason,
};
use secrecy::SecretString;

use super::grant::Used;
use crate::{context::Context, exit::Failure};

/// How long a lease that was lost is claimed again: no daemon keeps it for longer.
const CLAIMED: Duration = Duration::from_secs(30);
/// How long the daemon may take to hear of the end.
const ENDING: Duration = Duration::from_secs(10);
/// The pause between two tries.
const AGAIN: Duration = Duration::from_millis(100);

/// A lease.
pub(super) struct Lease {
    opened: OpenedLease,
    state: State,
}

enum State {
    /// By this stream.
    Held(Box<(Client, LeaseEvents)>),
    /// The stream ended; it is claimed until then.
    Lost(Instant),
    /// It has ended, or nobody keeps it any more.
    Over,
}

impl Lease {
    /// The lease that `events` tell of.
    pub(super) async fn begin(client: Client, mut events: LeaseEvents) -> Result<Self, Failure> {
        match events.next().await? {
            Some(LeaseEvent::Opened(opened)) => {
                Ok(Self { opened: *opened, state: State::Held(Box::new((client, events))) })
            }
            Some(_) | None => {
                let message = "the daemon ended before it told the key";
                Err(Failure::unreachable("connection_broken", message).hint("bitrouter status"))
            }
        }
    }

    pub(super) fn key(&self) -> &SecretString {
        &self.opened.key
    }

    pub(super) fn address(&self) -> &str {
        &self.opened.base_url
    }

    pub(super) fn id(&self) -> &str {
        &self.opened.claim.id
    }

    pub(super) fn namespace(&self) -> &str {
        &self.opened.namespace
    }

    pub(super) fn expires_at(&self) -> &str {
        &self.opened.expires_at
    }

    /// Holds it, whatever becomes of the daemon; comes with what is to be said of it. It may be dropped at any await.
    pub(super) async fn watch(&mut self, context: &Context) -> String {
        loop {
            match &mut self.state {
                State::Held(held) => match held.1.next().await {
                    Ok(Some(LeaseEvent::Over { .. })) => {
                        self.state = State::Over;
                        return self.over();
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => self.state = State::Lost(clock::after(CLAIMED)),
                },
                State::Lost(until) => {
                    let until = *until;
                    match claim(context, &self.opened.claim).await {
                        Ok((client, events, address)) => {
                            self.state = State::Held(Box::new((client, events)));
                            if address != self.opened.base_url {
                                let before = &self.opened.base_url;
                                return format!("the daemon listens at {address} now; the command was told {before}");
                            }
                        }
                        Err(ClientError::Refused(refusal))
                            if matches!(refusal.reason, Reason::Conflict | Reason::NotFound) =>
                        {
                            self.state = State::Over;
                            return self.over();
                        }
                        Err(_) if clock::monotonic_now() < until => tokio::time::sleep(AGAIN).await,
                        Err(error) => {
                            self.state = State::Over;
                            let claimed = CLAIMED.as_secs();
                            return format!("no daemon for {claimed} s ({error}): the key is revoked when one is back");
                        }
                    }
                }
                State::Over => std::future::pending().await,
            }
        }
    }

    fn over(&self) -> String {
        let expires_at = self.expires_at();
        let is_expired = clock::parse_rfc3339(expires_at).is_some_and(|end| end <= clock::wall_now());
        let why = if is_expired { "its time is over" } else { "it was revoked" };
        format!("the key opens nothing any more: {why}; the command goes on without it")
    }

    /// Ends it; what the run used.
    pub(super) async fn end(&mut self, context: &Context) -> Used {
        let until = clock::after(ENDING);
        let state = std::mem::replace(&mut self.state, State::Over);
        let mut held = match state {
            State::Held(held) => Some(held.0),
            State::Lost(_) | State::Over => None,
        };
        loop {
            let client = match held.take() {
                Some(client) => Ok(client),
                None => context.connect().await,
            };
            let ended = match client {
                Ok(client) => client.end_lease(&self.opened.claim).await,
                Err(error) => Err(error),
            };
            let error = match ended {
                Ok(told) => return Used { summary: Some(told.read), trouble: None, is_revoked: true },
                Err(error) => error,
            };
            let may_pass = match &error {
                ClientError::Refused(refusal) => matches!(refusal.reason, Reason::NodeOff | Reason::Draining),
                _ => true,
            };
            if !may_pass || clock::monotonic_now() >= until {
                let trouble = format!(
                    "the daemon could not be told of the end ({error}): the key ends within 30 s of its next start, or with its time"
                );
                return Used { summary: None, trouble: Some(trouble), is_revoked: false };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Claims the lease of whatever daemon runs now; and where that listens.
async fn claim(context: &Context, claim: &LeaseClaim) -> Result<(Client, LeaseEvents, String), ClientError> {
    let client = context.connect().await?;
    if client.is_foreign() {
        return Err(ClientError::Broken("another user's daemon answers".to_owned()));
    }
    let mut events = client.claim_lease(claim).await?;
    match events.next().await? {
        Some(LeaseEvent::Claimed { base_url }) => Ok((client, events, base_url)),
        Some(_) | None => Err(ClientError::Broken("it ended before the answer".to_owned())),
    }
}
