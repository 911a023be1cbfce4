//! `--expires-at` and `--expires-in`: when something new is to end.

use std::time::{Duration, SystemTime};

use bitrouter_proto::{clock, duration};
use clap::Args;

use super::misuse::misused;
use crate::exit::Failure;

#[derive(Args, Clone, Debug, Default)]
pub(super) struct ExpiryFlags {
    /// When it ends, like `2027-05-01T00:00:00Z` [default: never, or with what it was minted with]
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in", value_parser = moment)]
    expires_at: Option<Moment>,

    /// How long it is good, like `30d` or `12h`
    #[arg(long, value_name = "DURATION", value_parser = length)]
    expires_in: Option<Duration>,
}

/// A moment that somebody wrote, RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moment {
    at: SystemTime,
    text: String,
}

impl ExpiryFlags {
    /// When it ends, RFC 3339; `None` where nothing is said. For the command `verb`, at the time `now`.
    ///
    /// # Errors
    /// Where it would have ended already, or nobody can count so far.
    pub(super) fn expires_at(&self, verb: &str, now: SystemTime) -> Result<Option<String>, Failure> {
        match (&self.expires_at, self.expires_in) {
            (Some(Moment { at, .. }), _) if *at <= now => Err(misused(verb, "`--expires-at` is over already")),
            (Some(Moment { text, .. }), _) => Ok(Some(text.clone())),
            (None, Some(length)) => match now.checked_add(length).filter(|_| length <= LONGEST) {
                Some(at) => Ok(Some(clock::rfc3339(at))),
                None => Err(misused(
                    verb,
                    "`--expires-in` is longer than 1,000 years; leave it out for a key that never ends",
                )),
            },
            (None, None) => Ok(None),
        }
    }
}

/// Beyond this a year has more than four digits, which RFC 3339 does not write.
const LONGEST: Duration = Duration::from_hours(1_000 * 365 * 24);

fn moment(text: &str) -> Result<Moment, String> {
    match clock::parse_rfc3339(text) {
        Some(at) => Ok(Moment { at, text: text.to_owned() }),
        None => Err(format!("`{text}` is no time; write it like `2027-05-01T00:00:00Z`, or use `--expires-in 30d`")),
    }
}

fn length(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Some(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        Some(length) => Ok(length),
        None => Err(format!("`{text}` is no duration; write it like `30d`, `12h` or `90m`")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        expiry: ExpiryFlags,
    }

    fn read(words: &[&str]) -> Result<Option<String>, String> {
        let now = clock::parse_rfc3339("2026-05-01T00:00:00Z").unwrap();
        let line = Line::try_parse_from(std::iter::once(&"x").chain(words)).map_err(|error| error.to_string())?;
        line.expiry.expires_at("cloud keys mint", now).map_err(|failure| failure.message)
    }

    #[test]
    fn an_end_is_a_time_or_a_while() {
        let at = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["--expires-at", "2026-05-01T02:00:01+02:00"]), at("2026-05-01T02:00:01+02:00"));
        assert_eq!(read(&["--expires-in", "30d"]), at("2026-05-31T00:00:00.000Z"));
        assert_eq!(read(&["--expires-in", "90m 1s"]), at("2026-05-01T01:30:01.000Z"));
    }

    #[test]
    fn an_end_lies_ahead_and_is_said_once() {
        for (words, part) in [
            (&["--expires-at", "2026-05-01T00:00:00Z"][..], "over already"),
            (&["--expires-at", "30d"], "use `--expires-in 30d`"),
            (&["--expires-in", "0s"], "longer than nothing"),
            (&["--expires-in", "soon"], "is no duration"),
            (&["--expires-in", "99999999999d"], "1,000 years"),
            (&["--expires-in", "1d", "--expires-at", "2027-05-01T00:00:00Z"], "cannot be used with"),
        ] {
            let said = read(words).unwrap_err();
            assert!(said.contains(part), "{words:?}: {said}");
        }
    }
}
