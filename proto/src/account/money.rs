//! Money: whole millionths of a US dollar, everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in micro-USD. Negative where something was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
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
    fn sums_stay_in_range() {
        let most = MicroUsd::new(i64::MAX);
        assert_eq!((most.plus(MicroUsd::new(1)), MicroUsd::new(3).minus(MicroUsd::new(5))), (most, MicroUsd::new(-2)));
    }
}
