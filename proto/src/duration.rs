//! Durations as people write them: `30d 12h 90m 45s`. Pure; what is too short or too long is for whoever asks.

use std::time::Duration;

/// Reads `30d 12h 90m 45s`, `1h30m`, `250ms`: whole numbers with units, spaces between them or not. `None` where it is not
/// written like that; a number beyond counting is the longest time there is.
pub fn parse(text: &str) -> Option<Duration> {
    let mut total = None;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        if number.is_empty() {
            return None;
        }
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let millis: u64 = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        // Digits alone fail to be a number only where they are too many.
        let part = Duration::from_millis(number.parse().unwrap_or(u64::MAX).saturating_mul(millis));
        total = Some(total.unwrap_or(Duration::ZERO).saturating_add(part));
        rest = after.trim_start();
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let longest = Duration::from_millis(u64::MAX);
        for (text, expected) in [
            ("10s", Duration::from_secs(10)),
            ("30m", Duration::from_mins(30)),
            ("30d 12h 90m 45s", Duration::from_secs(30 * 86_400 + 12 * 3_600 + 90 * 60 + 45)),
            ("1h30m", Duration::from_mins(90)),
            (" 250ms ", Duration::from_millis(250)),
            ("1s 1ms", Duration::from_millis(1_001)),
            ("0d 0ms", Duration::ZERO),
            ("99999999999999999999d", longest),
            ("18446744073709551615s", longest),
            ("18446744073709551615ms 18446744073709551615ms", longest * 2),
        ] {
            assert_eq!(parse(text), Some(expected), "{text:?}");
        }
        for text in ["", " ", "x", "10", "s", "-1s", "1.5s", "1y", "10 s", "10S", "10sec", "1s,2s", "1s2", "1s 2"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
