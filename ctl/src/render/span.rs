//! Spans of time as people say them.

use std::time::Duration;

use bitrouter_proto::{clock, local_time::LocalTime};

/// The two largest units: `2 h 13 min`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let at = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let (size, unit) = units[at];
    let first = format!("{} {unit}", seconds / size);
    match units.get(at + 1) {
        // From a minute on, seconds are noise.
        Some((smaller, unit)) if size > 60 && seconds % size / smaller > 0 => {
            format!("{first} {} {unit}", seconds % size / smaller)
        }
        _ => first,
    }
}

/// How long ago: the largest unit.
pub(super) fn ago(time: Duration) -> String {
    if time.as_secs() == 0 { "just now".to_owned() } else { format!("{} ago", largest(time)) }
}

/// The largest unit alone.
fn largest(time: Duration) -> String {
    let text = span(time);
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A time as [`clock::rfc3339`] writes it, exactly; for people how long ago it was.
pub(crate) fn when(at: &str, for_people: bool) -> String {
    match clock::age(at, clock::wall_now()) {
        Some(age) if for_people => ago(age),
        _ => at.to_owned(),
    }
}

/// As [`when`], for a time that mostly lies ahead: `in 29 d`.
pub(crate) fn until(at: &str, for_people: bool) -> String {
    match clock::ahead(at, clock::wall_now()) {
        Some(ahead) if for_people && !ahead.is_zero() => format!("in {}", largest(ahead)),
        _ => when(at, for_people),
    }
}

/// A time as [`clock::rfc3339`] writes it, exactly; for people, whose clock is given, as it shows it, and how long ago it was:
/// `2026-11-29 23:10:05 CET; 3 min ago`.
pub(crate) fn moment(at: &str, for_people: Option<&LocalTime>) -> String {
    let Some(shown) = for_people.and_then(|local| local.show(at)) else { return at.to_owned() };
    let now = clock::wall_now();
    match (clock::age(at, now), clock::ahead(at, now)) {
        (Some(_), Some(ahead)) if !ahead.is_zero() => shown,
        (Some(age), _) => format!("{shown}; {}", ago(age)),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::env::Environment;

    use super::*;

    #[test]
    fn people_see_times_as_their_clock_shows_them() {
        let local = LocalTime::of(&Environment::from_iter([("TZ", "XYZ-2")]));
        let shown = moment("1970-01-01T00:00:00.000Z", Some(&local));
        assert!(shown.starts_with("1970-01-01 02:00:00 XYZ; ") && shown.ends_with(" d ago"), "{shown}");
        assert_eq!(moment("2999-01-01T00:00:00.000Z", Some(&local)), "2999-01-01 02:00:00 XYZ");
        assert_eq!(moment("1970-01-01T00:00:00.000Z", None), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment("some day", Some(&local)), "some day");
    }

    #[test]
    fn spans_are_short() {
        for (seconds, up, past) in [
            (0, "0 s", "just now"),
            (59, "59 s", "59 s ago"),
            (75, "1 min", "1 min ago"),
            (300, "5 min", "5 min ago"),
            (3_600, "1 h", "1 h ago"),
            (7_980, "2 h 13 min", "2 h ago"),
            (90_061, "1 d 1 h", "1 d ago"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!((span(time).as_str(), ago(time).as_str()), (up, past));
        }
        assert!(when("1970-01-01T00:00:00.000Z", true).ends_with(" d ago"));
        assert_eq!(when("1970-01-01T00:00:00.000Z", false), "1970-01-01T00:00:00.000Z");
        assert_eq!(when("some day", true), "some day");
    }
}
