//! The settings as values, with their defaults. Whatever is in here has been validated.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bitrouter_gateway::Limits;
use bitrouter_node::{CreditRule, OauthSettings};

use super::{Account, Listen, Network, PublicUrl, Secret};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }
        impl $name {
            /// Every member as it is written.
            pub const WORDS: &[&str] = &[$($text,)*];
            /// The member as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            /// The member that is written like this.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Who may call without a key.
    Keyless {
        /// Processes of the same user.
        #[default]
        SameUser = "same-user",
        /// Nobody.
        Never = "never",
    }
}

words! {
    /// How log lines look.
    LogFormat {
        /// For people on a terminal, JSON elsewhere.
        #[default]
        Auto = "auto",
        /// For people.
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// How much is logged.
    Level {
        /// Only what failed.
        Error = "error",
        /// Also what may need attention.
        Warn = "warn",
        /// Also what happened.
        #[default]
        Info = "info",
        /// Also how.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Env files besides the one in the configuration directory; a later one wins. Absolute where the file's own place
    /// is.
    pub env_files: Vec<PathBuf>,
    /// `[server]`
    pub server: Server,
    /// `[log]`
    pub log: Log,
    /// `[timeouts]`
    pub timeouts: Timeouts,
    /// `[providers.<id>]`: only ids that the registry knows.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// `[routing]`
    pub routing: Routing,
    /// `[aliases]`: a name and what it stands for.
    pub aliases: BTreeMap<String, String>,
    /// `[account]`
    pub account: Account,
    /// `[node]`
    pub node: Node,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where the local endpoint listens.
    pub listen: Listen,
    /// Who may call without a key.
    pub keyless: Keyless,
    /// Further `Host` values that are accepted, lower case.
    pub allow_hosts: Vec<String>,
    /// Further `Origin` values that are accepted, lower case.
    pub allow_origins: Vec<String>,
    /// The largest request body in bytes.
    pub max_body: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            keyless: Keyless::default(),
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            max_body: Limits::default().max_body,
        }
    }
}

/// `[log]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// How much is logged.
    pub level: Level,
    /// How the lines look.
    pub format: LogFormat,
}

/// `[timeouts]`: the limits of a call to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub between_chunks: Duration,
    /// The whole call.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        // The gateway's own: there is one list of them.
        let Limits { max_body: _, connect, first_byte, between_chunks, total } = Limits::default();
        Self { connect, first_byte, between_chunks, total }
    }
}

/// `[providers.<id>]`: what replaces the manifest's own word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Where the provider is, with the version segment and without a slash at the end.
    pub base_url: Option<String>,
    /// The passthrough names of its key, instead of the manifest's.
    pub env: Option<Vec<String>>,
    /// False: never used.
    pub enabled: Option<bool>,
}

/// `[routing]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Provider ids, the preferred one first.
    pub prefer: Vec<String>,
}

/// `[node]`: people, namespaces and sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// False: there is no node, and nothing is asked of its database.
    pub enabled: bool,
    /// Where the listener for a team is; without it there is none.
    pub listen: Option<Listen>,
    /// Where others reach it; also its issuer.
    pub public_url: Option<PublicUrl>,
    /// Who may say, in a forwarding header, for whom it speaks.
    pub trusted_proxies: Vec<Network>,
    /// `[node.oauth]`
    pub oauth: OauthSettings,
    /// Whether calls that the node's own keys pay for need credit.
    pub credit: CreditRule,
    /// How long the rows of calls are kept.
    pub keep_requests: Duration,
    /// The PostgreSQL database; without one it is a file.
    pub database_url: Option<Secret>,
    /// `[node.byok]`
    pub byok: Byok,
    /// `[node.stripe]`; without it the node sells nothing.
    pub stripe: Option<Stripe>,
}

/// `[node.byok]`: provider keys that people bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Byok {
    /// How old what new keys are sealed against becomes.
    pub rotate_every: Duration,
    /// Whether keys may be sent to addresses of private networks, and of this machine without TLS.
    pub allow_private: bool,
}

impl Default for Byok {
    fn default() -> Self {
        let bitrouter_node::ByokSettings { rotate_every, allow_private, .. } = bitrouter_node::ByokSettings::default();
        Self { rotate_every, allow_private }
    }
}

/// `[node.stripe]`: what is sold is paid there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripe {
    /// The key of the account at Stripe.
    pub secret_key: Secret,
    /// What events are signed with.
    pub webhook_secret: Secret,
    /// Where its API is, without a slash at the end.
    pub api_base: String,
}

impl Node {
    /// Where the listener for a team is to be: without a node nobody's credential is good, and there is none.
    pub fn listens(&self) -> Option<&Listen> {
        self.listen.as_ref().filter(|_| self.enabled)
    }
}

impl Default for Node {
    fn default() -> Self {
        let bitrouter_node::Settings { oauth, credit, keep_requests, .. } = bitrouter_node::Settings::default();
        Self {
            enabled: true,
            listen: None,
            public_url: None,
            trusted_proxies: Vec::new(),
            oauth,
            credit,
            keep_requests,
            database_url: None,
            byok: Byok::default(),
            stripe: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for word in Level::WORDS {
            assert_eq!(Level::parse(word).unwrap().as_str(), *word);
        }
        assert_eq!(Keyless::parse("Same-User"), None);
        assert_eq!(LogFormat::default().as_str(), "auto");
    }
}
