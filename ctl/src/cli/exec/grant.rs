//! The key of a run: of the own node, which holds it as a lease, or of the account where that node is off.

use bitrouter_proto::{
    account::RunSummary,
    client::{Client, ClientError, NewLease},
    codes::Reason,
};
use secrecy::SecretString;

use super::{Wanted, account::AccountGrant, lease::Lease};
use crate::{context::Context, exit::Failure};

/// The key of a run.
pub(super) enum Grant {
    /// Of the own node.
    Node(Lease),
    /// Of the account that is signed in.
    Account(Box<AccountGrant>),
}

/// What a run used, as far as that is known, and what became of its key.
pub(super) struct Used {
    pub(super) summary: Option<RunSummary>,
    /// Why the key may still open something, or why nobody knows what was used.
    pub(super) trouble: Option<String>,
    pub(super) is_revoked: bool,
}

impl Grant {
    /// Gets one, bound to what is `wanted`.
    pub(super) async fn begin(
        context: &Context,
        client: Client,
        wanted: &Wanted,
        namespace: Option<&str>,
    ) -> Result<Self, Failure> {
        let new = NewLease {
            name: wanted.name.clone(),
            namespace: namespace.map(str::to_owned),
            budget: wanted.budget,
            models: wanted.models.clone(),
            lasts: wanted.lasts,
        };
        let off = match client.open_lease(&new).await {
            Ok(events) => return Ok(Self::Node(Lease::begin(client, events).await?)),
            Err(ClientError::Refused(refusal)) if refusal.reason == Reason::NodeOff => refusal,
            Err(error) => return Err(error.into()),
        };
        if namespace.is_some() {
            let message = format!("{}; `--namespace` is one of the own node's", off.message);
            return Err(Failure::from(ClientError::Refused(off)).saying(message));
        }
        AccountGrant::begin(context, client, wanted, &off.message).await.map(|grant| Self::Account(Box::new(grant)))
    }

    /// The key.
    pub(super) fn key(&self) -> &SecretString {
        match self {
            Self::Node(lease) => lease.key(),
            Self::Account(account) => account.key(),
        }
    }

    /// Where it opens something, without a version segment.
    pub(super) fn address(&self) -> &str {
        match self {
            Self::Node(lease) => lease.address(),
            Self::Account(account) => account.address(),
        }
    }

    /// The id of the key.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Node(lease) => lease.id(),
            Self::Account(account) => account.id(),
        }
    }

    /// The namespace that its calls are made in, where that is known.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Node(lease) => Some(lease.namespace()),
            Self::Account(account) => account.namespace(),
        }
    }

    /// When it ends by itself; RFC 3339, UTC.
    pub(super) fn expires_at(&self) -> &str {
        match self {
            Self::Node(lease) => lease.expires_at(),
            Self::Account(account) => account.expires_at(),
        }
    }

    /// Says on standard error what the run has, and what that does not bound.
    pub(super) fn tell_beginning(&self, context: &Context, wanted: &Wanted) {
        let printer = context.printer;
        let budget = wanted.budget.map_or_else(|| "no budget".to_owned(), |budget| format!("budget {budget}"));
        let models = if wanted.models.is_empty() {
            "every model".to_owned()
        } else {
            format!("models {}", wanted.models.join(" "))
        };
        let (id, expires_at) = (self.id(), self.expires_at());
        printer.stderr(&format!("exec: {budget}, {models}, until {expires_at} (key {id})"));
        match self {
            Self::Node(_) => printer.stderr(
                "note: a program of your own user can still call without this key, or reach the control socket; docs/exec.md shows a sandbox that cannot",
            ),
            Self::Account(account) => printer.stderr(&account.note()),
        }
    }

    /// Comes with what is to be said of the key while the command runs.
    pub(super) async fn watch(&mut self, context: &Context) -> String {
        match self {
            Self::Node(lease) => lease.watch(context).await,
            // It ends by itself, and nobody tells of that.
            Self::Account(_) => std::future::pending().await,
        }
    }

    /// Revokes the key; what the run used.
    pub(super) async fn end(&mut self, context: &Context) -> Used {
        match self {
            Self::Node(lease) => lease.end(context).await,
            Self::Account(account) => account.end(context).await,
        }
    }
}
