//! Money as the everyday documents write it: a decimal text of US dollars. Inside it is whole micro-USD, as everywhere.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MicroUsd;

/// More digits than this are no amount of anybody's.
const MOST_DIGITS: usize = 30;

/// An amount that is read and written as a decimal text of US dollars: `"5.00"`, `"0.000123"`, two to six decimals.
///
/// Other servers write `"5"`, `"5.0"`, `"1E-7"` or a number: each is read, rounded to the nearest millionth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars(pub MicroUsd);

impl Dollars {
    /// Reads an amount as a server wrote it; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, 6).map(|micros| Self(MicroUsd::new(micros)))
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.to_string();
        match shown.strip_prefix("-$") {
            Some(amount) => write!(f, "-{amount}"),
            None => f.write_str(shown.trim_start_matches('$')),
        }
    }
}

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A decimal, as a text or as a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Decimal {
    Text(String),
    Number(serde_json::Number),
}

impl Decimal {
    /// The whole number of `10^-places` nearest to it.
    pub(super) fn scaled(&self, places: i32) -> Option<i64> {
        match self {
            Self::Text(text) => scaled(text, places),
            Self::Number(number) => scaled(&number.to_string(), places),
        }
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = Decimal::deserialize(deserializer)?.scaled(6);
        // What was told is not repeated.
        micros.map(|micros| Self(MicroUsd::new(micros))).ok_or_else(|| serde::de::Error::custom("no amount of dollars"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Dollars {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dollars".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2,6}$" })
    }
}

/// The whole number of `10^-places` that is nearest to a decimal (`-1.5`, `2E-7`), half away from zero; `None` where it is no
/// decimal, or too large.
fn scaled(text: &str, places: i32) -> Option<i64> {
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || digits.len() > MOST_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mantissa: i128 = digits.parse().ok()?;
    let shift = i64::from(exponent) + i64::from(places) - i64::try_from(fraction.len()).ok()?;
    let power = |shift: i64| 10_i128.checked_pow(u32::try_from(shift).ok()?);
    let amount = match power(shift.abs()) {
        _ if mantissa == 0 => 0,
        Some(power) if shift >= 0 => mantissa.checked_mul(power)?,
        Some(power) => mantissa.checked_add(power / 2)? / power,
        // Far below what can be told from nothing.
        None if shift < 0 => 0,
        None => return None,
    };
    i64::try_from(if is_negative { -amount } else { amount }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_write_is_read_and_written_in_one_form() {
        for (json, expected) in [
            ("\"5\"", "\"5.00\""),
            ("\"5.0\"", "\"5.00\""),
            ("\"0\"", "\"0.00\""),
            ("\"-0.000\"", "\"0.00\""),
            ("\"0.18\"", "\"0.18\""),
            ("\"0.1234564\"", "\"0.123456\""),
            ("\"0.1234565\"", "\"0.123457\""),
            ("\"-0.1234565\"", "\"-0.123457\""),
            ("\"-1.5\"", "\"-1.50\""),
            ("\"0E-8\"", "\"0.00\""),
            ("\"1E-7\"", "\"0.00\""),
            ("\"2.5e-6\"", "\"0.000003\""),
            ("\"1e-900\"", "\"0.00\""),
            ("\"12E+2\"", "\"1200.00\""),
            ("5", "\"5.00\""),
            ("0.25", "\"0.25\""),
            ("\"9223372036854.775807\"", "\"9223372036854.775807\""),
        ] {
            let read: Dollars = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), expected, "{json}");
        }
        for json in
            ["\"\"", "\"$5\"", "\".5\"", "\"5,0\"", "\"1e\"", "\"1e9999\"", "\"9223372036854.775808\"", "null", "{}"]
        {
            assert!(serde_json::from_str::<Dollars>(json).is_err(), "{json}");
        }
        assert!(Dollars::parse(&"9".repeat(31)).is_none());
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(micros in proptest::num::i64::ANY) {
            let amount = Dollars(MicroUsd::new(micros));
            let text = amount.to_string();
            proptest::prop_assert_eq!(Dollars::parse(&text), Some(amount));
            let decimals = text.rsplit_once('.').map_or(0, |(_, decimals)| decimals.len());
            proptest::prop_assert!((2..=6).contains(&decimals));
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,40}") {
            let _ = Dollars::parse(&text);
        }
    }
}
