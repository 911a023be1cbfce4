//! One provider as a manifest describes it: parsed, checked in itself, not yet overridden.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use bitrouter_proto::key_variable;
use serde::Deserialize;

use super::{
    Auth, BaseAddress, OutputCap, Pricing, ProviderId, RegistryError, ToolPrice,
    auth::{extra_headers, key_header, scheme_before},
    shape,
};
use crate::{meter::PriceSchedule, protocol::Dialect};

/// What sort of provider it is; the order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The maker of its models, or a host of its own.
    FirstParty,
    /// Many makers behind one key.
    Gateway,
    /// The account's own provider.
    Cloud,
    /// A server on this machine; it takes no key.
    Local,
}

/// Where one protocol is served, where that differs from the main endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    /// The base address, with the version segment.
    pub url: String,
    /// As in [`Auth`]; the provider's own where absent.
    #[serde(default)]
    pub header: Option<String>,
    /// As in [`Auth`]; the provider's own where absent together with `header`.
    #[serde(default)]
    pub scheme: Option<String>,
}

/// A model that a provider lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Model {
    /// The name that callers use.
    pub id: String,
    /// The name that the provider uses; [`Self::id`] where absent.
    #[serde(default)]
    pub provider_model_id: Option<String>,
    /// The longest input.
    #[serde(default)]
    pub max_input_tokens: Option<u64>,
    /// The longest output.
    #[serde(default)]
    pub max_output_tokens: Option<u64>,
    /// The most tokens that one picture is counted as.
    #[serde(default)]
    pub max_image_tokens: Option<u64>,
    /// The most tokens that one piece of sound is counted as.
    #[serde(default)]
    pub max_audio_tokens: Option<u64>,
    /// The most tokens that one file is counted as.
    #[serde(default)]
    pub max_file_tokens: Option<u64>,
    /// The most tokens a second that it writes.
    #[serde(default)]
    pub max_output_tps: Option<NonZeroU32>,
    /// The member that caps its output; the provider's where absent.
    #[serde(default)]
    pub output_cap: Option<OutputCap>,
    /// What it can do besides text.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// What it costs; `None` is unpriced.
    #[serde(default)]
    pub pricing: Option<Pricing>,
    /// The same, as calls are reckoned: made once for all of them.
    #[serde(skip)]
    pub prices: PriceSchedule,
}

impl Model {
    /// The name that the provider uses.
    pub fn upstream_id(&self) -> &str {
        self.provider_model_id.as_deref().unwrap_or(&self.id)
    }

    /// True where the manifest lists the capability.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|listed| listed == capability)
    }
}

/// A provider as its manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its id.
    pub id: ProviderId,
    /// Its name for people.
    pub name: String,
    /// What sort it is.
    pub kind: Kind,
    /// The base address, with the version segment.
    pub endpoint: String,
    /// What is spoken at [`Self::endpoint`].
    pub protocols: Vec<Dialect>,
    /// How it wants its key.
    pub auth: Auth,
    /// Other places for single protocols.
    pub endpoints: BTreeMap<Dialect, Endpoint>,
    /// False where a chat stream must not ask for usage: the provider refuses `stream_options`
    /// (<https://platform.openai.com/docs/api-reference/chat/create>, `stream_options.include_usage`).
    pub stream_usage: bool,
    /// How calls may be paid.
    pub payment_modes: Vec<String>,
    /// The member of a chat request that caps its output.
    pub output_cap: OutputCap,
    /// What it takes for the tools that it runs.
    pub tools: Vec<ToolPrice>,
    /// The models it lists; none means that it takes any name.
    pub models: Vec<Model>,
    /// The file it came from.
    pub file: PathBuf,
}

#[derive(Deserialize)]
struct Raw {
    id: String,
    name: Option<String>,
    kind: Option<Kind>,
    endpoint: String,
    protocol: Option<OneOrMore>,
    #[serde(default)]
    auth: Auth,
    #[serde(default)]
    endpoints: BTreeMap<Dialect, Endpoint>,
    stream_usage: Option<bool>,
    #[serde(default)]
    payment: Payment,
    #[serde(default)]
    output_cap: OutputCap,
    #[serde(default)]
    tools: Vec<ToolPrice>,
    #[serde(default)]
    models: Vec<Model>,
}

#[derive(Default, Deserialize)]
struct Payment {
    #[serde(default)]
    modes: Vec<String>,
}

/// A protocol, or a list of them.
struct OneOrMore(Vec<Dialect>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a protocol or a list of protocols")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Dialect::deserialize(serde::de::value::StrDeserializer::new(text)).map(|one| OneOrMore(vec![one]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMore, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMore(all))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Manifest {
    /// Reads a manifest. `file` is the one that errors name.
    pub fn parse(text: &str, file: &Path) -> Result<Self, RegistryError> {
        shape::check(text, file)?;
        let raw: Raw = toml::from_str(text).map_err(|error| shape::syntax(&error, text, file))?;
        let manifest = Self {
            id: ProviderId::parse(&raw.id)
                .map_err(|error| at(text, file, &format!("\"{}\"", raw.id), error.to_string()))?,
            name: raw.name.unwrap_or_else(|| raw.id.clone()),
            kind: raw.kind.unwrap_or(Kind::Gateway),
            endpoint: raw.endpoint,
            protocols: raw.protocol.map_or_else(|| vec![Dialect::ChatCompletions], |protocols| protocols.0),
            auth: raw.auth,
            endpoints: raw.endpoints,
            stream_usage: raw.stream_usage.unwrap_or(true),
            payment_modes: raw.payment.modes,
            output_cap: raw.output_cap,
            tools: raw.tools,
            models: raw.models,
            file: file.to_owned(),
        };
        manifest.check(text)?;
        Ok(manifest)
    }

    fn check(&self, text: &str) -> Result<(), RegistryError> {
        let mut seen = HashSet::new();
        for model in &self.models {
            let quoted = format!("\"{}\"", model.id);
            if model.id.is_empty() {
                return Err(at(text, &self.file, "id = \"\"", "a model needs an id".to_owned()));
            }
            if !seen.insert(&model.id) {
                return Err(at(text, &self.file, &quoted, format!("the model `{}` is listed twice", model.id)));
            }
            if let Some(what) = model.pricing.as_ref().and_then(Pricing::unordered) {
                return Err(at(text, &self.file, &quoted, format!("the {what} of `{}` must rise", model.id)));
            }
        }
        let mut seen = HashSet::new();
        for tool in &self.tools {
            if tool.kind.is_empty() {
                return Err(at(text, &self.file, "type = \"\"", "a tool needs a type".to_owned()));
            }
            if !seen.insert(&tool.kind) {
                let quoted = format!("\"{}\"", tool.kind);
                return Err(at(text, &self.file, &quoted, format!("the tool `{}` is listed twice", tool.kind)));
            }
        }
        for name in &self.auth.env {
            if let Err(reason) = key_variable::check(name) {
                return Err(at(text, &self.file, &format!("\"{name}\""), format!("`auth.env` {reason}")));
            }
        }
        let bad = |path: &[&str], reason: &str| {
            let line = shape::line_of_key(text, path);
            let reason = format!("`{}` {reason}", path.join("."));
            RegistryError::Manifest { file: self.file.clone(), line, reason }
        };
        BaseAddress::parse(&self.endpoint).map_err(|reason| bad(&["endpoint"], reason))?;
        let auth = &self.auth;
        let header = key_header(auth.header.as_deref()).map_err(|reason| bad(&["auth", "header"], reason))?;
        scheme_before(auth.scheme.as_deref(), &header).map_err(|reason| bad(&["auth", "scheme"], reason))?;
        extra_headers(auth).map_err(|reason| bad(&["auth", "extra_headers"], reason))?;
        for (protocol, endpoint) in &self.endpoints {
            let place = |key| ["endpoints", protocol.as_str(), key];
            BaseAddress::parse(&endpoint.url).map_err(|reason| bad(&place("url"), reason))?;
            let header = key_header(endpoint.header.as_deref()).map_err(|reason| bad(&place("header"), reason))?;
            scheme_before(endpoint.scheme.as_deref(), &header).map_err(|reason| bad(&place("scheme"), reason))?;
        }
        Ok(())
    }
}

fn at(text: &str, file: &Path, what: &str, reason: String) -> RegistryError {
    let line = text.find(what).map_or(1, |at| shape::line_of(text, at));
    RegistryError::Manifest { file: file.to_owned(), line, reason }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
