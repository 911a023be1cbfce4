//! Prices that a manifest announces: from an instant on they take the place of those before them.

use serde::{Deserialize, Deserializer, de::Unexpected};
use toml::value::{Date, Datetime, Offset};

use super::{InputPrices, OutputPrices, Pricing, Tier};

/// An instant that a manifest names by a TOML date or date-time: without a time its day's first moment, without an offset
/// in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EffectiveFrom(i64);

impl EffectiveFrom {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    fn of(written: &Datetime) -> Option<Self> {
        let days = days_since_1970(written.date?);
        let time = written.time.map_or(0, |time| {
            i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0))
        });
        let east = match written.offset {
            Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
            Some(Offset::Z) | None => 0,
        };
        Some(Self(days * 86_400 + time - east))
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Its era is 400 years of 146,097 days; a year begins in March
/// here, so that the odd day is its last.
fn days_since_1970(date: Date) -> i64 {
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl<'de> Deserialize<'de> for EffectiveFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Datetime::deserialize(deserializer)?).ok_or_else(|| {
            serde::de::Error::invalid_value(Unexpected::Other("a time"), &"a date, or a date with a time")
        })
    }
}

/// A later price, which replaces the one before it whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Change {
    /// EffectiveFrom when it holds.
    pub from: EffectiveFrom,
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

impl Change {
    /// It as a price that holds.
    pub fn pricing(&self) -> Pricing {
        Pricing {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            context_tiers: self.context_tiers.clone(),
            changes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Doc {
        from: EffectiveFrom,
    }

    #[test]
    fn a_date_or_a_date_time_is_an_instant() {
        for (written, seconds) in [
            ("1970-01-01", 0),
            ("1969-12-31", -86_400),
            ("2000-02-29", 951_782_400),
            ("2027-01-01", 1_798_761_600),
            ("2027-01-01T00:00:00Z", 1_798_761_600),
            ("2027-01-01T00:00:01", 1_798_761_601),
            ("2027-01-01T02:30:00+02:30", 1_798_761_600),
            ("2026-12-31T16:00:00.5-08:00", 1_798_761_600),
            ("2100-03-01", 4_107_542_400),
        ] {
            let doc: Doc = toml::from_str(&format!("from = {written}")).unwrap();
            assert_eq!(doc.from.unix_seconds(), seconds, "{written}");
        }
        for odd in ["07:32:00", "\"2027-01-01\"", "2027", "2027-02-30"] {
            assert!(toml::from_str::<Doc>(&format!("from = {odd}")).is_err(), "{odd}");
        }
    }
}
