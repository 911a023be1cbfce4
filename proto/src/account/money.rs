//! Money: whole millionths of a US dollar, everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in micro-USD. Negative where something was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MicroUsd(i64);

impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many millionths of a dollar.
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// Its number of millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The sum; what leaves the range stays at its edge.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; what leaves the range stays at its edge.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Why a text is no amount of dollars that can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// It is none.
    #[error("it must be an amount of US dollars, such as `5` or `0.25`")]
    NoAmount,
    /// Money here ends at the millionth.
    #[error("it has more than 6 decimal places, and the smallest amount is $0.000001")]
    TooFine,
    /// Nothing, or less.
    #[error("it must be more than 0")]
    NotPositive,
    /// More than can be counted.
    #[error("it is more than ${}.{:06}, the largest amount", i64::MAX / 1_000_000, i64::MAX % 1_000_000)]
    TooLarge,
}

impl MicroUsd {
    /// Reads an amount to be given, in US dollars as people write it: `5`, `0.25`, `$12.5`. No rounding takes place.
    ///
    /// # Errors
    /// Where it is none, not positive, or has more places than money has here.
    pub fn parse_dollars(text: &str) -> Result<Self, AmountError> {
        let text = text.trim();
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let text = text.strip_prefix('$').unwrap_or(text);
        let (whole, places) = text.split_once('.').map_or((text, None), |(whole, places)| (whole, Some(places)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !places.is_none_or(digits) {
            return Err(AmountError::NoAmount);
        }
        let places = places.unwrap_or_default();
        if places.len() > 6 {
            return Err(AmountError::TooFine);
        }
        // Digits fail to be a number only where they are too many.
        let fraction = format!("{places:0<6}").parse().unwrap_or(i64::MAX);
        let dollars: Option<i64> = whole.parse().ok();
        let micros = dollars.and_then(|dollars| dollars.checked_mul(1_000_000)?.checked_add(fraction));
        match micros {
            Some(0) => Err(AmountError::NotPositive),
            _ if is_negative => Err(AmountError::NotPositive),
            Some(micros) => Ok(Self(micros)),
            None => Err(AmountError::TooLarge),
        }
    }
}

/// As people read it: `$5.00`, `-$0.10`, `$0.000123`; two digits at least, and no more than it has.
impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, micros) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let digits = format!("{:06}", micros % 1_000_000);
        let digits = digits.trim_end_matches('0');
        write!(f, "{sign}${}.{digits:0<2}", micros / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_as_dollars() {
        for (micros, expected) in [
            (0, "$0.00"),
            (5_000_000, "$5.00"),
            (-100_000, "-$0.10"),
            (123, "$0.000123"),
            (1_234_560_000, "$1234.56"),
            (i64::MIN, "-$9223372036854.775808"),
        ] {
            assert_eq!(MicroUsd::new(micros).to_string(), expected);
        }
    }

    #[test]
    fn dollars_are_read_to_the_millionth_and_never_rounded() {
        for (text, micros) in [
            ("5", 5_000_000),
            ("0.25", 250_000),
            ("$12.5", 12_500_000),
            (" 1.000000 ", 1_000_000),
            ("0.000001", 1),
            ("007", 7_000_000),
            ("9223372036854.775807", i64::MAX),
        ] {
            assert_eq!(MicroUsd::parse_dollars(text), Ok(MicroUsd::new(micros)), "{text}");
        }
        for (text, why) in [
            ("0.0000001", AmountError::TooFine),
            ("1.0000000", AmountError::TooFine),
            ("0", AmountError::NotPositive),
            ("0.000000", AmountError::NotPositive),
            ("-5", AmountError::NotPositive),
            ("-$0.5", AmountError::NotPositive),
            ("9223372036854.775808", AmountError::TooLarge),
            ("99999999999999999999999", AmountError::TooLarge),
            ("", AmountError::NoAmount),
            ("$", AmountError::NoAmount),
            ("5.", AmountError::NoAmount),
            (".5", AmountError::NoAmount),
            ("5,00", AmountError::NoAmount),
            ("1e3", AmountError::NoAmount),
            ("+5", AmountError::NoAmount),
            ("--5", AmountError::NoAmount),
            ("five", AmountError::NoAmount),
            ("5 000", AmountError::NoAmount),
            ("NaN", AmountError::NoAmount),
            ("\u{665}", AmountError::NoAmount),
        ] {
            assert_eq!(MicroUsd::parse_dollars(text), Err(why), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back(micros in 1..=i64::MAX) {
            let amount = MicroUsd::new(micros);
            proptest::prop_assert_eq!(MicroUsd::parse_dollars(&amount.to_string()), Ok(amount));
        }
    }

    #[test]
    fn sums_stay_in_range() {
        let most = MicroUsd::new(i64::MAX);
        assert_eq!((most.plus(MicroUsd::new(1)), MicroUsd::new(3).minus(MicroUsd::new(5))), (most, MicroUsd::new(-2)));
    }
}
