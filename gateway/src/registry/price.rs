//! Prices as the manifests state them, kept as integers so that sums are exact.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// USD per million tokens, held as millionths of that (one unit is one picodollar a token).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// The price of one token in picodollars (10⁻¹² USD).
    pub fn pico_usd_per_token(self) -> u64 {
        self.0
    }

    /// USD per million tokens, as the manifests write it.
    #[expect(clippy::cast_precision_loss, reason = "a price is below 2^53 units")]
    pub fn usd_per_million(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// USD per thousand tokens.
    #[expect(clippy::cast_precision_loss, reason = "a price is below 2^53 units")]
    pub fn usd_per_thousand(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usd = f64::deserialize(deserializer)?;
        if !(0.0..=1e6).contains(&usd) {
            return Err(serde::de::Error::custom("a price is USD per million tokens, from 0 to 1000000"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked above")]
        let price = Self((usd * 1e6).round() as u64);
        if price.0 == 0 && usd > 0.0 {
            return Err(serde::de::Error::custom(
                "a price is free, or at least a millionth of a USD per million tokens",
            ));
        }
        Ok(price)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.usd_per_million())
    }
}

/// What input tokens cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPrices {
    /// Tokens that no cache held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_cache: Option<Price>,
    /// Tokens read from the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Price>,
    /// Tokens written to the provider's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Price>,
}

/// What output tokens cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPrices {
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Price>,
    /// Reasoning, where it costs something else than text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Price>,
}

/// Other prices above a number of input tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The tier holds above this many input tokens (exclusive).
    pub above_input_tokens: u64,
    /// Input prices of the tier.
    #[serde(default)]
    pub input_tokens: InputPrices,
    /// Output prices of the tier.
    #[serde(default)]
    pub output_tokens: OutputPrices,
}

/// The whole price of a model. No value at all means unpriced, which is not the same as free.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pricing {
    /// Input prices.
    #[serde(default)]
    pub input_tokens: InputPrices,
    /// Output prices.
    #[serde(default)]
    pub output_tokens: OutputPrices,
    /// Tiers in rising order.
    #[serde(default)]
    pub context_tiers: Vec<Tier>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_integers() {
        #[derive(Deserialize)]
        struct Doc {
            a: Price,
            b: Price,
        }
        let doc: Doc = toml::from_str("a = 0.075\nb = 3").unwrap();
        assert_eq!((doc.a.pico_usd_per_token(), doc.b.pico_usd_per_token()), (75_000, 3_000_000));
        assert_eq!(serde_json::to_string(&doc.a).unwrap(), "0.075");
        assert!(toml::from_str::<Doc>("a = -1\nb = 3").is_err());
        // What rounds to nothing is not free.
        assert!(toml::from_str::<Doc>("a = 1e-7\nb = 3").is_err());
        assert_eq!(toml::from_str::<Doc>("a = 0\nb = 1e-6").unwrap().b, Price(1));
    }
}
