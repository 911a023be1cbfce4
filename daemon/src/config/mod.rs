//! The settings file: `config.toml` as text becomes a [`Config`], or an error with the line and the nearest name.
//!
//! Everything but [`Config::load`] is pure: a function of the text, of where the file stands, and of the provider ids
//! that the registry knows. Nothing here binds, watches, or knows who applies the settings; no value that could be a
//! secret is ever quoted.

mod account;
mod addresses;
mod difference;
mod document;
mod error;
mod listen;
mod load;
mod network;
mod own_address;
mod parse;
mod public_url;
mod quantity;
mod secret;
mod settings;

pub(crate) use own_address::reason as own_address_reason;

pub use self::{
    account::{Account, AccountDefaults},
    addresses::server_url,
    error::{ConfigError, Problem},
    listen::{Listen, ListenError},
    network::{Network, NetworkError},
    own_address::own_address,
    parse::{ConfigLocation, KnownProviders},
    public_url::{PublicUrl, PublicUrlError},
    quantity::{QuantityError, parse_duration, parse_size},
    secret::{Secret, SecretError},
    settings::{
        Byok, Config, Keyless, Level, Log, LogFormat, Node, ProviderSettings, Routing, Server, Stripe, Timeouts,
    },
};
