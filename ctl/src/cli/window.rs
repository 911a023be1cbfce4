//! `--from` and `--to`: a window of time.

use std::time::SystemTime;

use bitrouter_proto::{client::Window, clock, duration, local_time::LocalTime};
use clap::Args;

use super::misuse::misused;
use crate::exit::Failure;

#[derive(Args, Clone, Debug, Default)]
pub(super) struct WindowFlags {
    /// The beginning, like `2026-05-01T00:00:00Z`, or how long ago, like `7d` [default: 30 days before the end]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Moment>,

    /// The end, which is not in it any more, written likewise [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Moment>,
}

/// A moment that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moment {
    at: SystemTime,
    /// RFC 3339.
    text: String,
}

impl WindowFlags {
    /// The window as servers are asked for it, for the command `verb`.
    ///
    /// # Errors
    /// Where it ends before it begins.
    pub(super) fn window(&self, verb: &str) -> Result<Window, Failure> {
        let Self { from, to } = self;
        let refused = |message| Err(misused(verb, message));
        match (from, to) {
            (Some(from), Some(to)) if from.at >= to.at => refused("`--from` must lie before `--to`"),
            (Some(from), None) if from.at > clock::wall_now() => {
                refused("`--from` lies ahead, and without `--to` the window ends now")
            }
            _ => {
                let text = |moment: &Option<Moment>| moment.as_ref().map(|moment| moment.text.clone());
                Ok(Window { from: text(from), to: text(to) })
            }
        }
    }
}

/// From when to when, for people as their clock shows it.
pub(super) fn span_text(from: &str, to: &str, for_people: Option<&LocalTime>) -> String {
    let shown = |at: &str| for_people.and_then(|local| local.show(at)).unwrap_or_else(|| at.to_owned());
    format!("{} to {}", shown(from), shown(to))
}

/// Reads a time as RFC 3339 has it, or how long ago one was.
fn moment(text: &str) -> Result<Moment, String> {
    if let Some(at) = clock::parse_rfc3339(text) {
        return Ok(Moment { at, text: text.to_owned() });
    }
    let no_time = || format!("`{text}` is no time; write it like `2026-05-01T00:00:00Z`, or how long ago like `7d`");
    let back = duration::parse(text).ok_or_else(no_time)?;
    let at = clock::wall_now().checked_sub(back).filter(|at| *at >= SystemTime::UNIX_EPOCH);
    let at = at.ok_or_else(|| format!("`{text}` ago was before 1970"))?;
    Ok(Moment { at, text: clock::rfc3339(at) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_written_out_or_so_long_ago() {
        let read = moment("2026-05-01T00:00:00+02:00").unwrap();
        assert_eq!(read.text, "2026-05-01T00:00:00+02:00");
        let week = moment("7d").unwrap();
        let age = clock::age(&week.text, clock::wall_now()).unwrap();
        assert!(age >= Duration::from_hours(7 * 24) && age < Duration::from_hours(7 * 24 + 1), "{age:?}");
        for (text, part) in [
            ("yesterday", "is no time"),
            ("2026-05-01", "is no time"),
            ("2026-02-30T00:00:00Z", "is no time"),
            ("7", "is no time"),
            ("", "is no time"),
            ("99999999d", "before 1970"),
        ] {
            let said = moment(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    #[test]
    fn a_window_begins_before_it_ends() {
        let flags = |from: Option<&str>, to: Option<&str>| {
            let read = |text: Option<&str>| text.map(|text| moment(text).unwrap());
            WindowFlags { from: read(from), to: read(to) }.window("x")
        };
        assert_eq!(flags(None, None), Ok(Window::default()));
        assert!(flags(Some("2d"), Some("1d")).is_ok() && flags(None, Some("2999-01-01T00:00:00Z")).is_ok());
        for (from, to) in [("1d", Some("2d")), ("2026-05-01T00:00:00Z", Some("2026-05-01T00:00:00Z"))] {
            assert!(flags(Some(from), to).unwrap_err().message.contains("`--to`"));
        }
        assert!(flags(Some("2999-01-01T00:00:00Z"), None).unwrap_err().message.contains("lies ahead"));
    }
}
