//! Times as the user's own clock shows them.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use crate::env::{Environment, TZ};

/// Where time zones are described (RFC 8536), by name.
const ZONES: &str = "/usr/share/zoneinfo";
/// The machine's own.
const MACHINE: &str = "/etc/localtime";

/// The user's time zone.
#[derive(Clone, Debug)]
pub struct LocalTime(TimeZone);

impl LocalTime {
    /// What `TZ` says (tzset(3)), else the machine's; what cannot be read is UTC.
    pub fn of(env: &Environment) -> Self {
        let zone = match env.text(TZ) {
            Some(told) => Self::named(told.strip_prefix(':').unwrap_or(told)),
            None => Self::in_file(Path::new(MACHINE)),
        };
        Self(zone.unwrap_or(TimeZone::UTC))
    }

    fn named(told: &str) -> Option<TimeZone> {
        let path = if told.starts_with('/') { PathBuf::from(told) } else { Path::new(ZONES).join(told) };
        Self::in_file(&path).or_else(|| TimeZone::posix(told).ok())
    }

    fn in_file(path: &Path) -> Option<TimeZone> {
        TimeZone::tzif("", &std::fs::read(path).ok()?).ok()
    }

    /// An RFC 3339 time, to the second, with the zone's abbreviation: `2026-11-29 23:10:05 CET`. `None` where it is none.
    pub fn show(&self, at: &str) -> Option<String> {
        let at: Timestamp = at.parse().ok()?;
        Some(at.to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(zone: &str, at: &str) -> Option<String> {
        LocalTime::of(&Environment::from_iter([("TZ", zone)])).show(at)
    }

    #[test]
    fn times_are_shown_where_the_user_is() {
        for (zone, expected) in [
            ("UTC0", "2026-07-01 22:00:00 UTC"),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-07-01 18:00:00 EDT"),
            ("<+0530>-5:30", "2026-07-02 03:30:00 +0530"),
            ("no such zone", "2026-07-01 22:00:00 UTC"),
        ] {
            assert_eq!(shown(zone, "2026-07-01T22:00:00.000Z").as_deref(), Some(expected), "{zone}");
        }
        assert_eq!(shown("UTC0", "yesterday"), None);
    }

    #[test]
    fn a_zone_is_read_from_its_file() {
        if !Path::new(ZONES).join("Europe/Berlin").exists() {
            return;
        }
        for zone in ["Europe/Berlin", ":Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin"] {
            assert_eq!(shown(zone, "2026-07-01T22:00:00Z").as_deref(), Some("2026-07-02 00:00:00 CEST"), "{zone}");
        }
    }
}
