//! What a provider takes for tools that it runs itself, and where a cap of the output stands in its chat requests.

use std::fmt;

use bitrouter_proto::account::MicroUsd;
use serde::{Deserialize, Deserializer, de::Unexpected};

use super::price::micro_usd;

/// What one use of a tool costs that the provider runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ToolPrice {
    /// The tool, as `type` of a request's `tools` names it.
    #[serde(rename = "type")]
    pub kind: String,
    /// What each use costs, besides its tokens.
    pub usd_per_use: UsdPerUse,
    /// The most input tokens that one use brings; none stated: nothing bounds them.
    #[serde(default)]
    pub max_input_tokens: Option<u64>,
}

/// What one use costs: whole micro-USD, written in USD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdPerUse(MicroUsd);

impl UsdPerUse {
    /// The amount.
    pub const fn amount(self) -> MicroUsd {
        self.0
    }
}

impl<'de> Deserialize<'de> for UsdPerUse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = micro_usd(f64::deserialize(deserializer)?).and_then(|micros| i64::try_from(micros).ok());
        micros.map(|micros| Self(MicroUsd::new(micros))).ok_or_else(|| {
            serde::de::Error::invalid_value(
                Unexpected::Other("an amount"),
                &"USD for one use, from 0 to 1000000 in whole steps of 0.000001",
            )
        })
    }
}

/// The member of a chat request that caps its output: `max_tokens` is deprecated at OpenAI, whose reasoning models refuse
/// it, and is the only one that many others know
/// (<https://platform.openai.com/docs/api-reference/chat/create>, `max_completion_tokens`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputCap {
    /// `max_tokens`.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

impl OutputCap {
    /// The name of the member.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

impl fmt::Display for OutputCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
