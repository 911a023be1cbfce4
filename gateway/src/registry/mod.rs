//! Which providers exist, how they are reached, and which models they list.
//!
//! Manifests are TOML data ([`Manifest`]); a [`Catalog`] is what remains after the user's own manifests and the
//! `[providers.*]` sections of the configuration were laid over the shipped ones. Both are immutable values, built
//! without touching files or the network. This module never sees a key.

mod account;
mod address;
mod auth;
mod catalog;
mod change;
mod error;
mod id;
mod manifest;
mod price;
mod provider;
mod shape;
mod shipped;
mod target;
mod tool_price;

pub use self::{
    address::BaseAddress,
    auth::Auth,
    catalog::{Catalog, ProviderOverride},
    change::{Change, EffectiveFrom},
    error::RegistryError,
    id::ProviderId,
    manifest::{Endpoint, Kind, Manifest, Model},
    price::{InputPrices, OutputPrices, Price, Pricing, Tier},
    provider::Provider,
    shipped::shipped,
    target::Target,
    tool_price::{OutputCap, ToolPrice, UsdPerUse},
};
