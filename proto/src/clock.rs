//! The only door to the clocks: wall clock for what people read and for expiry, monotonic clock for waiting.

use std::{
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

/// Now on the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the one door")]
pub fn monotonic_now() -> Instant {
    Instant::now()
}

/// The monotonic time after `wait`. A wait that is longer than the clock can say ends in a year that nobody sees.
pub fn after(wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
    let now = monotonic_now();
    now.checked_add(wait).unwrap_or_else(|| now + CENTURY)
}

/// Now on the wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the one door")]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// Time since the machine booted, suspend included, as the kernel tells it in `/proc/uptime` (proc(5)). Where it does not,
/// since the first call.
pub fn since_boot() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = told.split(' ').next().and_then(|seconds| seconds.parse().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or_else(|| FIRST.get_or_init(monotonic_now).elapsed())
}

/// A wall-clock time as RFC 3339 in UTC with milliseconds, as every interface of ours writes it.
pub fn rfc3339(at: SystemTime) -> String {
    let stamp = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{stamp:.3}")
}

/// The current wall-clock time as RFC 3339 in UTC.
pub fn now_rfc3339() -> String {
    rfc3339(wall_now())
}

/// The time that `text` means, where it is written as RFC 3339 §5.6 says: date, time and offset.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c.to_ascii_uppercase() }).collect();
    let rest = shape.strip_prefix("0000-00-00T00:00:00")?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with('0') => fraction.trim_start_matches('0'),
        Some(_) => return None,
        None => rest,
    };
    let is_offset = rest == "Z" || matches!(rest.strip_prefix(['+', '-']), Some("00:00"));
    is_offset.then(|| text.to_ascii_uppercase().parse::<jiff::Timestamp>().ok()).flatten().map(SystemTime::from)
}

/// How long ago a time as [`rfc3339`] writes it was, at `now`; nothing where it lies ahead, `None` where it is none.
pub fn age(text: &str, now: SystemTime) -> Option<Duration> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(now.duration_since(at.into()).unwrap_or_default())
}

/// How far ahead such a time lies at `now`; nothing where it is over, `None` where it is none.
pub fn ahead(text: &str, now: SystemTime) -> Option<Duration> {
    let at: SystemTime = text.parse::<jiff::Timestamp>().ok()?.into();
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_boot_goes_on() {
        let before = since_boot();
        assert!(before > Duration::ZERO && since_boot() >= before);
    }

    #[test]
    fn no_wait_is_too_long() {
        assert!(after(Duration::MAX) > after(Duration::from_hours(365 * 24)));
    }

    #[test]
    fn rfc3339_5_6_only_whole_times_are_read() {
        let epoch = SystemTime::UNIX_EPOCH;
        for (text, at) in [
            ("1970-01-01T00:00:01Z", epoch + Duration::from_secs(1)),
            ("1970-01-01t00:00:01.500z", epoch + Duration::from_millis(1_500)),
            ("1970-01-01T01:00:01+01:00", epoch + Duration::from_secs(1)),
            ("1969-12-31T23:30:00-00:30", epoch),
        ] {
            assert_eq!(parse_rfc3339(text), Some(at), "{text}");
        }
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:01",
            "1970-01-01T00:00Z",
            "19700101T000001Z",
            "1970-01-01 00:00:01Z",
            "1970-13-01T00:00:01Z",
            "1970-01-01T00:00:01+01",
            "1970-01-01T00:00:01.Z",
            "1970-01-01T00:00:01Z[UTC]",
            "7d",
            "yesterday",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_utc_rfc3339() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(rfc3339(at), "1970-01-01T00:00:01.500Z");
        assert_eq!(age("1970-01-01T00:00:01.500Z", at + Duration::from_secs(3)), Some(Duration::from_secs(3)));
        assert_eq!(age("1970-01-01T00:00:09.000Z", at), Some(Duration::ZERO));
        assert_eq!(ahead("1970-01-01T00:00:09.000Z", at), Some(Duration::from_millis(7_500)));
        assert_eq!((ahead("1970-01-01T00:00:01.000Z", at), ahead("soon", at)), (Some(Duration::ZERO), None));
        assert_eq!(age("yesterday", at), None);
    }
}
