//! Durations (`30d 12h 90m 45s`) and sizes (`64 MiB`) as people write them.

use std::time::Duration;

use bitrouter_proto::duration;

/// Nobody means a longer time limit, and clocks can still add this one.
const LONGEST: Duration = Duration::from_hours(3_650 * 24);

/// Why a quantity is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It is not written like a duration.
    #[error("must be a duration of whole numbers with the units d, h, m, s or ms")]
    NotADuration,
    /// It is no time at all.
    #[error("must be longer than 0s")]
    Zero,
    /// It is more than ten years.
    #[error("must not be longer than 3650d")]
    TooLong,
    /// It is not written like a size.
    #[error("must be a size: a whole number with the unit B, KiB, MiB, GiB, kB, MB or GB")]
    NotASize,
    /// It leaves no room for a request.
    #[error("must be at least 1 KiB")]
    TooSmall,
    /// More than a machine can hold.
    #[error("must be at most 64 GiB")]
    TooLarge,
}

/// Reads a time limit: a duration as [`duration::parse`] knows it, that is some time and not forever.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    match duration::parse(text) {
        None => Err(QuantityError::NotADuration),
        Some(Duration::ZERO) => Err(QuantityError::Zero),
        Some(total) if total > LONGEST => Err(QuantityError::TooLong),
        Some(total) => Ok(total),
    }
}

/// Reads `64 MiB`, `512KiB`, `10 MB`: a whole number of bytes with a binary or decimal unit.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = leading_number(text.trim()).ok_or(QuantityError::NotASize)?;
    let factor: u64 = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(QuantityError::NotASize),
    };
    match number.and_then(|n| n.checked_mul(factor)) {
        Some(bytes) if bytes < 1 << 10 => Err(QuantityError::TooSmall),
        Some(bytes) if bytes <= 64 << 30 => Ok(bytes),
        _ => Err(QuantityError::TooLarge),
    }
}

/// Splits digits from what follows. The number is `None` where it does not fit.
fn leading_number(text: &str) -> Option<(Option<u64>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() { None } else { Some((digits.parse().ok(), rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use QuantityError::{NotADuration, NotASize, TooLarge, TooLong, TooSmall, Zero};

    #[test]
    fn durations() {
        let s = Duration::from_secs;
        for (text, expected) in [
            ("10s", Ok(s(10))),
            (" 250ms ", Ok(Duration::from_millis(250))),
            ("3650d", Ok(s(3_650 * 86_400))),
            ("3651d", Err(TooLong)),
            ("99999999999999999999d", Err(TooLong)),
            ("18446744073709551615ms 18446744073709551615ms", Err(TooLong)),
            ("0s", Err(Zero)),
            ("0d 0ms", Err(Zero)),
            ("", Err(NotADuration)),
            ("10", Err(NotADuration)),
            ("10 s", Err(NotADuration)),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("64 MiB", Ok(64 << 20)),
            ("64MiB", Ok(64 << 20)),
            ("1 KiB", Ok(1_024)),
            ("2048 B", Ok(2_048)),
            ("10 MB", Ok(10_000_000)),
            ("2 kB", Ok(2_000)),
            ("64 GiB", Ok(64 << 30)),
            ("65 GiB", Err(TooLarge)),
            ("99999999999999999999 B", Err(TooLarge)),
            ("18446744073709551615 GiB", Err(TooLarge)),
            ("0 B", Err(TooSmall)),
            ("1023 B", Err(TooSmall)),
            ("64", Err(NotASize)),
            ("64 mib", Err(NotASize)),
            ("MiB", Err(NotASize)),
            ("-1 MiB", Err(NotASize)),
            ("1.5 MiB", Err(NotASize)),
            ("", Err(NotASize)),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
    }
}
