//! Prices as the manifests state them, kept as integers so that sums are exact.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Unexpected};

use super::change::Change;

/// The highest price that is taken: USD for a million tokens, and USD for one use of a tool.
const MOST_USD: f64 = 1e6;

/// Whole micro-USD per million tokens; the manifests write USD per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// The highest one.
    pub(crate) const MOST: u64 = 1_000_000_000_000;

    /// So many micro-USD per million tokens; `None` above [`Price::MOST`].
    pub(crate) const fn new(micro_usd: u64) -> Option<Self> {
        if micro_usd <= Self::MOST { Some(Self(micro_usd)) } else { None }
    }

    /// Micro-USD per million tokens.
    pub const fn micro_usd_per_million(self) -> u64 {
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

/// The micro-USD in an amount of USD; `None` where it is negative, above a million USD, or finer than a micro-USD.
pub(super) fn micro_usd(usd: f64) -> Option<u64> {
    if !(0.0..=MOST_USD).contains(&usd) {
        return None;
    }
    // The shortest decimal that is this number is what was written, so that nothing is rounded here.
    let written = usd.abs().to_string();
    let (whole, part) = written.split_once('.').unwrap_or((&written, ""));
    if part.len() > 6 {
        return None;
    }
    format!("{whole}{part:0<6}").parse().ok()
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usd = f64::deserialize(deserializer)?;
        micro_usd(usd).map(Self).ok_or_else(|| {
            serde::de::Error::invalid_value(
                Unexpected::Other("a price"),
                &"USD per million tokens, from 0 to 1000000 in whole steps of 0.000001",
            )
        })
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
    /// Tokens written to the provider's cache, for minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Price>,
    /// Tokens written to the provider's cache, for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Price>,
    /// Sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Price>,
    /// Pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Price>,
    /// Films.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Price>,
}

impl InputPrices {
    /// These, and where one is not stated that of `below`.
    #[must_use]
    pub fn or(&self, below: &Self) -> Self {
        Self {
            no_cache: self.no_cache.or(below.no_cache),
            cache_read: self.cache_read.or(below.cache_read),
            cache_write: self.cache_write.or(below.cache_write),
            cache_write_1h: self.cache_write_1h.or(below.cache_write_1h),
            audio: self.audio.or(below.audio),
            image: self.image.or(below.image),
            video: self.video.or(below.video),
        }
    }
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
    /// Sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Price>,
    /// Pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Price>,
}

impl OutputPrices {
    /// These, and where one is not stated that of `below`.
    #[must_use]
    pub fn or(&self, below: &Self) -> Self {
        Self {
            text: self.text.or(below.text),
            reasoning: self.reasoning.or(below.reasoning),
            audio: self.audio.or(below.audio),
            image: self.image.or(below.image),
        }
    }
}

/// Other prices above a number of input tokens. What it does not state costs there what it costs below.
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
    /// What takes the place of these prices later, in rising order.
    #[serde(default, skip_serializing)]
    pub changes: Vec<Change>,
}

impl Pricing {
    /// The prices that hold at `unix_seconds`, without what comes later.
    #[must_use]
    pub fn at(&self, unix_seconds: i64) -> Self {
        match self.changes.iter().rev().find(|change| change.from.unix_seconds() <= unix_seconds) {
            Some(change) => change.pricing(),
            None => Self { changes: Vec::new(), ..self.clone() },
        }
    }

    /// What does not rise that must: the tiers, or the dates of the changes.
    pub(crate) fn unordered(&self) -> Option<&'static str> {
        let rise =
            |tiers: &[Tier]| tiers.windows(2).all(|pair| pair[0].above_input_tokens < pair[1].above_input_tokens);
        if !rise(&self.context_tiers) || !self.changes.iter().all(|change| rise(&change.context_tiers)) {
            return Some("tiers");
        }
        let later = self.changes.windows(2).all(|pair| pair[0].from < pair[1].from);
        (!later).then_some("dates of the price changes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Doc {
        a: Price,
        b: Price,
    }

    #[test]
    fn prices_are_exact_integers() {
        let doc: Doc = toml::from_str("a = 0.075\nb = 3").unwrap();
        assert_eq!((doc.a.micro_usd_per_million(), doc.b.micro_usd_per_million()), (75_000, 3_000_000));
        assert_eq!(serde_json::to_string(&doc.a).unwrap(), "0.075");
        assert!(toml::from_str::<Doc>("a = -1\nb = 3").is_err());
        assert_eq!(toml::from_str::<Doc>("a = 0\nb = 1e-6").unwrap().b, Price(1));
        assert_eq!(toml::from_str::<Doc>("a = 0.1\nb = 999999.999999").unwrap().b, Price(999_999_999_999));
        assert_eq!(toml::from_str::<Doc>("a = -0.0\nb = 1e6").unwrap().b, Price(Price::MOST));
    }

    #[test]
    fn what_is_finer_than_a_micro_usd_is_refused_and_not_rounded() {
        for finer in ["1e-7", "0.0000005", "2.0000001", "0.12345678", "nan", "inf", "-inf", "1000000.1"] {
            assert!(toml::from_str::<Doc>(&format!("a = 1\nb = {finer}")).is_err(), "{finer}");
        }
    }
}
