//! A price as the text that rows of the ledger keep: JSON with integers, in one order, so that the same prices are the same
//! bytes for ever.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::registry::{InputPrices, OutputPrices, Price, Pricing, Tier};

/// The document of what costs nothing.
pub(super) const FREE: &str = r#"{"input_tokens":{"no_cache":0,"cache_read":0,"cache_write":0,"cache_write_1h":0,"audio":0,"image":0,"video":0},"output_tokens":{"text":0,"reasoning":0,"audio":0,"image":0}}"#;

/// All prices of a model, in micro-USD per million tokens.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    input_tokens: Input,
    output_tokens: Output,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    context_tiers: Vec<TierOf>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names of the manifests")]
struct TierOf {
    above_input_tokens: u64,
    input_tokens: Input,
    output_tokens: Output,
}

macro_rules! prices {
    ($name:ident of $of:ident: $($class:ident)*) => {
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $(#[serde(default, skip_serializing_if = "Option::is_none")] $class: Option<u64>,)*
        }

        impl $name {
            fn of(prices: &$of) -> Self {
                Self { $($class: prices.$class.map(Price::micro_usd_per_million),)* }
            }

            /// `None` where one of them is no price.
            fn prices(&self) -> Option<$of> {
                Some($of { $($class: match self.$class { Some(micro) => Some(Price::new(micro)?), None => None },)* })
            }
        }
    };
}

prices!(Input of InputPrices: no_cache cache_read cache_write cache_write_1h audio image video);
prices!(Output of OutputPrices: text reasoning audio image);

/// The document of a price, without its later changes.
pub(super) fn write(pricing: &Pricing) -> String {
    let document = Document {
        input_tokens: Input::of(&pricing.input_tokens),
        output_tokens: Output::of(&pricing.output_tokens),
        context_tiers: pricing
            .context_tiers
            .iter()
            .map(|tier| TierOf {
                above_input_tokens: tier.above_input_tokens,
                input_tokens: Input::of(&tier.input_tokens),
                output_tokens: Output::of(&tier.output_tokens),
            })
            .collect(),
    };
    // Integers under fixed names always are JSON.
    serde_json::to_string(&document).unwrap_or_default()
}

/// What [`write`] wrote.
pub(super) fn read(document: &str) -> Option<Pricing> {
    let document: Document = serde_json::from_str(document).ok()?;
    let tier = |tier: &TierOf| {
        Some(Tier {
            above_input_tokens: tier.above_input_tokens,
            input_tokens: tier.input_tokens.prices()?,
            output_tokens: tier.output_tokens.prices()?,
        })
    };
    Some(Pricing {
        input_tokens: document.input_tokens.prices()?,
        output_tokens: document.output_tokens.prices()?,
        context_tiers: document.context_tiers.iter().map(tier).collect::<Option<_>>()?,
        changes: Vec::new(),
    })
}

/// `prc_` and the first 16 hexadecimal digits of a document's SHA-256.
pub(super) fn version(document: &str) -> String {
    let digest = Sha256::digest(document.as_bytes());
    digest[..8].iter().fold("prc_".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
