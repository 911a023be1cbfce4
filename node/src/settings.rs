//! What can be configured of the node.

use std::{collections::BTreeSet, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

/// `[node]`, and where the node is reached. A reload swaps the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The issuer (RFC 8414 §2): `public_url`, else `http://127.0.0.1:<port>`. No slash at its end.
    pub issuer: String,
    /// `[node] public_url`, without a slash at its end.
    pub public_url: Option<String>,
    /// `[node.oauth]`
    pub oauth: OauthSettings,
    /// `[node] credit`
    pub credit: CreditRule,
    /// `[node] keep_requests`: how long the rows of calls are kept. Their sums are kept for ever.
    pub keep_requests: Duration,
    /// `[node.byok]`
    pub byok: ByokSettings,
    /// How long a lease that nobody holds can be claimed.
    pub lease_grace: Duration,
    /// `[node.stripe]`; without it the node sells nothing.
    pub stripe: Option<StripeSettings>,
}

/// `[node.stripe]`: the account at Stripe that credit is paid to.
#[derive(Clone, Debug)]
pub struct StripeSettings {
    /// What its API is called with.
    pub secret_key: SecretString,
    /// What events from it are signed with.
    pub webhook_secret: SecretString,
    /// Where its API is; no slash at its end.
    pub api_base: String,
}

impl PartialEq for StripeSettings {
    /// To tell one reading of the settings from another: nobody measures the time that it takes.
    fn eq(&self, other: &Self) -> bool {
        self.api_base == other.api_base
            && self.secret_key.expose_secret() == other.secret_key.expose_secret()
            && self.webhook_secret.expose_secret() == other.webhook_secret.expose_secret()
    }
}

impl Eq for StripeSettings {}

/// Whether calls that the node's own keys pay for need credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreditRule {
    /// They are metered, and never refused for want of credit.
    #[default]
    Off,
    /// They need it, but for calls in the namespaces of the node's owner: what selling credit brings with it.
    RequiredOfOthers,
    /// They need it.
    Required,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:4356".to_owned(),
            public_url: None,
            oauth: OauthSettings::default(),
            credit: CreditRule::Off,
            keep_requests: Duration::from_hours(400 * 24),
            byok: ByokSettings::default(),
            lease_grace: Duration::from_secs(30),
            stripe: None,
        }
    }
}

/// `[node.byok]`: provider keys that people bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByokSettings {
    /// How old what new keys are sealed against becomes.
    pub rotate_every: Duration,
    /// Whether keys may be sent to addresses of private networks, and of this machine without TLS.
    pub allow_private: bool,
    /// The providers of the registry that take keys of others.
    pub providers: BTreeSet<String>,
}

impl Default for ByokSettings {
    fn default() -> Self {
        Self { rotate_every: Duration::from_hours(90 * 24), allow_private: false, providers: BTreeSet::new() }
    }
}

/// `[node.oauth]`: how long what the node issues lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OauthSettings {
    /// How long an access token lives.
    pub access_token_ttl: Duration,
    /// How long a refresh token lives unless it is used.
    pub refresh_token_ttl: Duration,
    /// How long a session lives, however often it is refreshed.
    pub session_ttl: Duration,
    /// How long a refresh is answered again after an access token of its reply was used.
    pub refresh_grace: Duration,
    /// Whether `verification_uri_complete` is given (RFC 8628 §3.3.1).
    pub complete_uri: bool,
    /// How long a device code lives.
    pub device_code_ttl: Duration,
    /// How long a device waits between two polls (RFC 8628 §3.2).
    pub device_interval: Duration,
}

impl Default for OauthSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            access_token_ttl: Duration::from_hours(1),
            refresh_token_ttl: 90 * DAY,
            session_ttl: 365 * DAY,
            refresh_grace: Duration::from_secs(30),
            complete_uri: true,
            device_code_ttl: Duration::from_mins(10),
            device_interval: Duration::from_secs(5),
        }
    }
}
