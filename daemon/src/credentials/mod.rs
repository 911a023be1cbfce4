//! The account's credential: the daemon owns it.
//!
//! This is what everybody else sees of it: [`Credentials`].

mod session;

use std::sync::Arc;

use bitrouter_gateway::ports::{AccountCredential, AccountRefused, AccountSource, AccountToken, BoxFuture};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};

pub(crate) use session::{Session, SessionState};

/// The account's credential. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    session: Arc<watch::Sender<Arc<Session>>>,
}

/// How to sign in.
#[derive(Debug)]
pub(crate) enum SignIn {
    /// With a code in a browser. Everything is resolved: flag, variable, setting, default.
    Device { oauth_as: String, client_id: String, scope: String },
    /// With a key.
    ApiKey { api_key: SecretString, base_url: String },
    /// To the own node, as its owner; `namespace` is an id or a name.
    Local { namespace: Option<String>, scope: String, client_id: String },
}

/// What happens during a sign-in.
#[derive(Clone, Debug)]
pub(crate) enum SignInEvent {
    /// Somebody has to open this and approve.
    Code { verification_uri: String, verification_uri_complete: Option<String>, user_code: String, expires_in: u64 },
    /// Nobody has yet; `trouble` is what went wrong at the last try, which will be tried again.
    Waiting { remaining_s: u64, trouble: Option<String> },
}

/// How a sign-in ended well.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// Where a bad credential file was put aside, where there was one.
    pub(crate) put_aside: Option<String>,
    /// Who is signed in now.
    pub(crate) session: Arc<Session>,
}

/// How a sign-out ended.
#[derive(Clone, Debug)]
pub(crate) struct SignedOut {
    /// False where nobody was signed in.
    pub(crate) was_signed_in: bool,
    /// What could not be revoked and why.
    pub(crate) not_revoked: Option<String>,
}

/// Why an account's server, or our own files, did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct AccountError {
    /// The reason as the control API has it.
    pub(crate) reason: bitrouter_proto::codes::Reason,
    /// For people: a fragment.
    pub(crate) message: String,
    /// The command that helps.
    pub(crate) command: Option<String>,
    /// The HTTP status, where a server answered.
    pub(crate) status: Option<u16>,
    /// The member that the server complains of.
    pub(crate) field: Option<String>,
    /// The id that the server gave the request.
    pub(crate) request_id: Option<String>,
}

impl Credentials {
    /// Who is signed in now.
    pub(crate) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.borrow())
    }

    /// Told of every change of it: another credential, renewed tokens, its end.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Session>> {
        self.session.subscribe()
    }

    /// Reads the file again now, where somebody else may have written it.
    pub(crate) async fn look(&self) -> Arc<Session> {
        self.session()
    }

    /// Signs in. Dropping the future cancels it, up to the moment at which the tokens have come.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn sign_in(
        &self,
        how: SignIn,
        events: mpsc::Sender<SignInEvent>,
    ) -> Result<SignedIn, AccountError> {
        let _ = (how, events);
        Ok(SignedIn { put_aside: None, session: self.session() })
    }

    /// Revokes the session as far as its server can be reached, and deletes the file.
    ///
    /// # Errors
    /// Where the file cannot be deleted.
    pub(crate) async fn sign_out(&self) -> Result<SignedOut, AccountError> {
        Ok(SignedOut { was_signed_in: false, not_revoked: None })
    }
}

impl AccountSource for Credentials {
    fn credential(&self) -> BoxFuture<'_, Result<AccountCredential, AccountRefused>> {
        Box::pin(async { Err(AccountRefused::SignedOut) })
    }

    fn renewed<'a>(&'a self, _rejected: &'a AccountToken) -> BoxFuture<'a, Option<AccountToken>> {
        Box::pin(async { None })
    }
}
