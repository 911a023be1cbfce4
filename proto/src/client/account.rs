//! The calls of `AuthService`, and those of the account that its server answers.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tonic::Streaming;

use super::{
    Client, ClientError,
    calls::{origin, refused},
    channel::Channel,
    distrust,
};
use crate::{
    account::Identity,
    wire::{
        self, auth_service_client::AuthServiceClient, login_request::How, login_response::Event,
        namespace_service_client::NamespaceServiceClient,
    },
};

/// How long a call may take that the daemon passes on to the account's server.
pub(super) const REMOTE: Duration = Duration::from_mins(1);

/// How long the daemon may take to say who is signed in, which it knows by itself.
const QUICK: Duration = Duration::from_secs(2);

/// The longest user code that is shown, characters. Real ones have less than 20.
const LONGEST_CODE: usize = 64;

/// The key of an account that the caller's own environment holds.
#[derive(Clone, Debug)]
pub struct AccountKey {
    /// `brk_…`.
    pub key: SecretString,
    /// The server that it is for, where the environment says that too.
    pub url: Option<String>,
}

/// How to sign in. What is `None` is as the daemon's settings say.
#[derive(Debug)]
pub enum Login {
    /// With a code in a browser (RFC 8628).
    Device {
        /// URL of the authorization server.
        oauth_as: Option<String>,
        /// The OAuth client.
        client_id: Option<String>,
        /// The whole set of scopes.
        scope: Option<String>,
    },
    /// The same, at the server at this address, which says how in `/api/v1/auth/discovery`; without that it is the
    /// authorization server.
    Discovered {
        /// URL of the server.
        api_url: String,
        /// The OAuth client, where not the one that the server names.
        client_id: Option<String>,
        /// The whole set of scopes, where not those that the server names.
        scope: Option<String>,
    },
    /// With the key of an account.
    ApiKey {
        /// `brk_…`.
        key: SecretString,
        /// The server that it is for.
        url: Option<String>,
    },
    /// To the own node, as its owner.
    Local {
        /// Its id or name.
        namespace: Option<String>,
        /// The whole set of scopes.
        scope: Option<String>,
    },
}

/// What somebody has to open and approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginCode {
    /// Where the code is typed. It may be shown as a link and be opened, as `verification_uri_complete` may.
    pub verification_uri: Option<String>,
    /// Where the code need not be typed.
    pub verification_uri_complete: Option<String>,
    /// What is typed or compared.
    pub user_code: String,
    /// How long it is good, seconds.
    pub expires_in: u64,
}

/// What happens during a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginEvent {
    /// Somebody has to approve.
    Code(LoginCode),
    /// Nobody has yet.
    Waiting {
        /// Seconds until the code expires.
        remaining_s: u64,
        /// What went wrong at the last try; it is tried again.
        trouble: Option<String>,
    },
    /// Somebody is signed in.
    Done {
        /// Who.
        identity: Box<Identity>,
        /// Where a bad credential file was put aside, where there was one.
        put_aside: Option<String>,
    },
}

/// The events of a sign-in. Dropping them cancels it.
pub struct LoginEvents {
    stream: Streaming<wire::LoginResponse>,
    is_foreign: bool,
}

/// Who is signed in, as the daemon knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAmI {
    /// `None` where nobody is.
    pub identity: Option<Identity>,
    /// Why the stored credential cannot be used, where there is one that cannot.
    pub problem: Option<String>,
}

/// How a sign-out ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// False where nobody was signed in.
    pub was_signed_in: bool,
    /// What could not be revoked and why, where something could not.
    pub not_revoked: Option<String>,
    /// The file that is gone now.
    pub credentials_path: String,
}

/// The namespaces that the account's credential can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNamespaces {
    /// Ids and names. Ids of other servers have other forms than ours.
    pub rows: Vec<(String, String)>,
    /// The one that the credential is baked to, where that is known.
    pub active_id: Option<String>,
    /// The server's reply as it came.
    pub json: String,
}

impl Client {
    /// Begins to sign in.
    pub async fn login(&self, how: Login) -> Result<LoginEvents, ClientError> {
        self.same_protocol()?;
        let text = Option::unwrap_or_default;
        let how = match how {
            Login::Device { oauth_as, client_id, scope } => How::Device(wire::DeviceLogin {
                oauth_as: text(oauth_as),
                client_id: text(client_id),
                scope: text(scope),
                api_url: String::new(),
            }),
            Login::Discovered { api_url, client_id, scope } => How::Device(wire::DeviceLogin {
                oauth_as: String::new(),
                client_id: text(client_id),
                scope: text(scope),
                api_url,
            }),
            Login::ApiKey { key, url } => {
                How::Keyed(wire::ApiKeyLogin { api_key: key.expose_secret().to_owned(), base_url: text(url) })
            }
            Login::Local { namespace, scope } => {
                How::Local(wire::LocalLogin { namespace: text(namespace), scope: text(scope) })
            }
        };
        let request = wire::LoginRequest { how: Some(how) };
        // The node may be asked before there is anything to tell.
        let stream = self.bounded_by(REMOTE, self.auth().login(request)).await?;
        Ok(LoginEvents { stream, is_foreign: self.is_foreign() })
    }

    /// Who is signed in. Asks no server.
    pub async fn who_am_i(&self, key: Option<&AccountKey>) -> Result<WhoAmI, ClientError> {
        self.same_protocol()?;
        let (api_key, api_url) = on_the_wire(key);
        let request = wire::WhoAmIRequest { api_key, api_url };
        let told = self.bounded_by(QUICK, self.auth().who_am_i(request)).await?;
        Ok(WhoAmI { identity: told.identity.map(distrust::identity).transpose()?, problem: present(told.problem) })
    }

    /// Signs out.
    pub async fn logout(&self) -> Result<LoggedOut, ClientError> {
        self.same_protocol()?;
        let told = self.bounded_by(REMOTE, self.auth().logout(wire::LogoutRequest {})).await?;
        Ok(LoggedOut {
            was_signed_in: told.was_signed_in,
            not_revoked: present(told.not_revoked),
            credentials_path: distrust::line(told.credentials_path),
        })
    }

    /// The namespaces that the account's credential can see.
    pub async fn list_account_namespaces(&self, key: Option<&AccountKey>) -> Result<AccountNamespaces, ClientError> {
        self.same_protocol()?;
        let (api_key, api_url) = on_the_wire(key);
        let request = wire::ListAccountNamespacesRequest { api_key, api_url };
        let mut service = NamespaceServiceClient::with_origin(self.channel.clone(), origin());
        let told = self.bounded_by(REMOTE, service.list_account_namespaces(request)).await?;
        let row = |row: wire::Namespace| (distrust::line(row.id), distrust::line(row.name));
        Ok(AccountNamespaces {
            rows: told.namespaces.into_iter().map(row).collect(),
            active_id: present(told.active_id),
            json: distrust::document(&told.json)?,
        })
    }

    fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::with_origin(self.channel.clone(), origin())
    }
}

impl LoginEvents {
    /// The next one; `None` where the daemon ended without the last one.
    ///
    /// # Errors
    /// Why nobody is signed in.
    pub async fn next(&mut self) -> Result<Option<LoginEvent>, ClientError> {
        loop {
            let message = self.stream.message().await.map_err(|status| refused(&status, self.is_foreign))?;
            let Some(message) = message else { return Ok(None) };
            // What a newer daemon tells besides is passed over.
            if let Some(event) = message.event {
                return Ok(Some(LoginEvent::of(event)?));
            }
        }
    }
}

impl LoginEvent {
    fn of(event: Event) -> Result<Self, ClientError> {
        Ok(match event {
            Event::Code(code) => Self::Code(LoginCode {
                verification_uri: distrust::server_link(&code.verification_uri),
                verification_uri_complete: distrust::server_link(&code.verification_uri_complete),
                user_code: distrust::short(&code.user_code, LONGEST_CODE),
                expires_in: code.expires_in,
            }),
            Event::Waiting(waiting) => {
                Self::Waiting { remaining_s: waiting.remaining_s, trouble: present(waiting.trouble) }
            }
            Event::Done(done) => Self::Done {
                identity: Box::new(distrust::identity(done.identity.unwrap_or_default())?),
                put_aside: present(done.put_aside),
            },
        })
    }
}

pub(super) fn on_the_wire(key: Option<&AccountKey>) -> (String, String) {
    let key = key.map(|key| (key.key.expose_secret().to_owned(), key.url.clone().unwrap_or_default()));
    key.unwrap_or_default()
}

/// Empty on the wire means absent.
fn present(text: String) -> Option<String> {
    (!text.is_empty()).then(|| distrust::line(text))
}
