//! OAuth clients that people have registered: programs that ask the people of one namespace for tokens.

use serde::{Deserialize, Serialize};

use super::{OauthClientId, policy::words};

words! {
    /// Whether a client can keep a secret (RFC 6749 §2.1).
    ClientType {
        /// It can: it authenticates with one.
        Confidential = "confidential",
        /// It cannot: it runs where others can look into it.
        Public = "public",
    }
}

words! {
    /// How a client comes to tokens.
    GrantType {
        /// A person approves in a browser that comes back to the client (RFC 6749 §4.1), with PKCE (RFC 7636).
        AuthorizationCode = "authorization_code",
        /// It renews what it has (RFC 6749 §6).
        RefreshToken = "refresh_token",
        /// A person approves in a browser somewhere else (RFC 8628).
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
    }
}

/// A client. Another server's ids may have another form than ours, and its words may be others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "OauthClient"))]
pub struct OauthClient<Id = OauthClientId, Kind = ClientType, Grant = GrantType> {
    /// Which.
    pub id: Id,
    /// What it calls itself where it asks: the same.
    pub client_id: Id,
    /// What people read.
    pub client_name: String,
    /// Whether it has a secret.
    pub client_type: Kind,
    /// Where browsers may be sent back to; compared as strings.
    pub redirect_uris: Vec<String>,
    /// The most that its tokens can do.
    pub allowed_scopes: Vec<String>,
    /// How it comes to them.
    pub allowed_grant_types: Vec<Grant>,
}

/// A client that was just registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "RegisteredOauthClient"))]
pub struct RegisteredOauthClient<Id = OauthClientId, Kind = ClientType, Grant = GrantType> {
    /// Which.
    pub id: Id,
    /// What it calls itself where it asks: the same.
    pub client_id: Id,
    /// What people read.
    pub client_name: String,
    /// Whether it has a secret.
    pub client_type: Kind,
    /// Where browsers may be sent back to; compared as strings.
    pub redirect_uris: Vec<String>,
    /// The most that its tokens can do.
    pub allowed_scopes: Vec<String>,
    /// How it comes to them.
    pub allowed_grant_types: Vec<Grant>,
    /// The secret of a confidential one: it is shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

impl<Id: std::fmt::Debug, Kind, Grant> std::fmt::Debug for RegisteredOauthClient<Id, Kind, Grant> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisteredOauthClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is asked for in a new client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewOauthClient<Kind = ClientType, Grant = GrantType> {
    /// What people are to read: 1 to 128 characters, one of which can be seen.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub client_name: String,
    /// Whether it is to have a secret.
    pub client_type: Kind,
    /// Where browsers may be sent back to: https, or http to a loopback host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<Vec<String>>,
    /// The most that its tokens can do, a part of what its maker can; `inference:invoke` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_scopes: Option<Vec<String>>,
    /// How it comes to them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub allowed_grant_types: Vec<Grant>,
}

/// What changes in a client; a list replaces the one before, and what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OauthClientChange<Grant = GrantType> {
    /// What people are to read from now on.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Where browsers may be sent back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<Vec<String>>,
    /// The most that its tokens can do.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_scopes: Option<Vec<String>>,
    /// How it comes to them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_grant_types: Option<Vec<Grant>>,
}
