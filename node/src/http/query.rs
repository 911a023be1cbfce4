//! A query whose every parameter is known: none twice, none that nobody asked for, each of its form.

use std::{collections::BTreeMap, str::FromStr};

use bitrouter_gateway::http::percent_decoded;
use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{
    error::{ApiError, Code},
    members::shown,
};
use crate::clock::Moment;

/// The most rows of a page.
const MOST: i64 = 100;
/// The rows of a page where nobody says how many.
const USUAL: i64 = 25;

/// The parameters of a query.
#[derive(Debug)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query that may have the parameters `known`, and `key`, which is a credential. In a query a `+` is one
    /// (RFC 3986 §3.4): times have it.
    ///
    /// # Errors
    /// Names a parameter that stands twice or that this path does not have.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let mut found = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text| String::from_utf8_lossy(&percent_decoded(text)).into_owned();
            let name = decoded(name);
            if name != "key" && !known.contains(&name.as_str()) {
                let name = shown(name);
                return Err(bad(format!("`{name}` is no parameter of this path")).about(name));
            }
            if found.insert(name.clone(), decoded(value)).is_some() {
                return Err(bad(format!("`{name}` stands twice in the query")).about(name));
            }
        }
        Ok(Self(found))
    }

    /// How many rows a page has, from `limit`: 1 to 100, 25 where it is absent.
    ///
    /// # Errors
    /// Where it is no whole number.
    pub(crate) fn limit(&self) -> Result<i64, ApiError> {
        let Some(text) = self.0.get("limit") else { return Ok(USUAL) };
        match whole(text) {
            Some(number) => Ok(number.clamp(1, MOST)),
            None => Err(wrong("limit", "a whole number")),
        }
    }

    /// How many rows are left out, from `offset`.
    ///
    /// # Errors
    /// Where it is no number that there can be.
    pub(crate) fn offset(&self) -> Result<i64, ApiError> {
        self.number("offset").map(Option::unwrap_or_default)
    }

    /// A whole number that is not negative, where it is there.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        match whole(text).filter(|number| (0..i64::MAX).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(name, "a whole number, 0 or more")),
        }
    }

    /// An id, where it is there.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn id<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, "what a page said in `next_cursor`"))
    }

    /// A text, where it is there.
    pub(crate) fn text(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A time, where it is there; a part of a millisecond counts as a whole one, since no row lies within. What lies beyond all
    /// that can be written is the last moment that can.
    ///
    /// # Errors
    /// Where it is no time as RFC 3339 has it.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Moment>, ApiError> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        match time(text) {
            Some(moment) => Ok(Some(moment)),
            None => Err(wrong(name, "a time of RFC 3339, such as `2026-05-01T00:00:00Z`")),
        }
    }

    /// Whether a parameter that has one value is there.
    ///
    /// # Errors
    /// Where it has another one.
    pub(crate) fn is(&self, name: &'static str, value: &str) -> Result<bool, ApiError> {
        match self.0.get(name) {
            None => Ok(false),
            Some(sent) if sent == value => Ok(true),
            Some(_) => Err(wrong(name, &format!("`{value}`"))),
        }
    }

    /// Refuses a parameter beside another one.
    ///
    /// # Errors
    /// Where it is there.
    pub(crate) fn without(&self, name: &'static str, beside: &str) -> Result<(), ApiError> {
        match self.0.get(name) {
            Some(_) => Err(bad(format!("`{name}` does not go with `{beside}`")).about(name)),
            None => Ok(()),
        }
    }
}

/// A whole number; one that is greater than any is the greatest.
fn whole(text: &str) -> Option<i64> {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if is_negative { i64::MIN } else { i64::MAX }))
}

/// A time of RFC 3339 §5.6: the date, a `T`, the time, and where it is.
pub(super) fn time(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte.eq_ignore_ascii_case(other),
    };
    let rest = bytes.get(shape.len()..)?;
    if !bytes.iter().zip(shape).all(fits) {
        return None;
    }
    let digits =
        rest.strip_prefix(b".").map_or(0, |rest| 1 + rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    if digits == 1 {
        return None;
    }
    let zone = &rest[digits..];
    let offset = match zone {
        b"Z" | b"z" => Offset::UTC,
        [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 5 && zone.iter().zip(b"dd:dd").all(fits) => {
            let number = |at: usize| i32::from(zone[at] - b'0') * 10 + i32::from(zone[at + 1] - b'0');
            let (hours, minutes) = (number(0), number(3));
            let seconds = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
            Offset::from_seconds(if *sign == b'-' { -seconds } else { seconds }).ok()?
        }
        _ => return None,
    };
    let local: DateTime = text.get(..shape.len() + digits)?.parse().ok()?;
    // All that is left to go wrong is that it lies beyond what can be written.
    let beyond = if local.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    let stamp = offset.to_timestamp(local).unwrap_or(beyond);
    let millis = stamp.as_millisecond();
    let is_part = stamp.as_nanosecond() > i128::from(millis) * 1_000_000;
    Some(Moment::from_millis(millis + i64::from(is_part)).within_what_is_written())
}

fn wrong(name: &'static str, what: &str) -> ApiError {
    bad(format!("`{name}` must be {what}")).about(name)
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Query {
        Query::read(Some(query), &["limit", "offset", "from", "cursor"]).unwrap()
    }

    #[test]
    fn a_query_holds_what_is_known_once_and_a_credential() {
        for good in [None, Some(""), Some("key=x"), Some("&key=&"), Some("k%65y=1"), Some("limit=1&key=x&offset=2")] {
            assert!(Query::read(good, &["limit", "offset"]).is_ok(), "{good:?}");
        }
        for (query, field) in [
            ("a=1", "a"),
            ("key=1&key=2", "key"),
            ("key=1&lim%69t=1&limit=2", "limit"),
            ("=x", ""),
            ("Limit=1", "Limit"),
            ("limit=1&from=2", "from"),
        ] {
            assert_eq!(Query::read(Some(query), &["limit"]).unwrap_err().field(), Some(field), "{query}");
        }
    }

    #[test]
    fn numbers_are_whole_and_a_page_is_bounded() {
        for (query, limit) in
            [("", 25), ("limit=1", 1), ("limit=100", 100), ("limit=0", 1), ("limit=101", 100), ("limit=-7", 1)]
        {
            assert_eq!(read(query).limit().unwrap(), limit, "{query}");
        }
        assert_eq!(read("limit=99999999999999999999").limit().unwrap(), 100);
        for query in ["limit=", "limit=x", "limit=1.5", "limit=+1", "limit=%201", "limit=1e2", "limit=-", "limit=٣"] {
            assert_eq!(read(query).limit().unwrap_err().field(), Some("limit"), "{query}");
        }
        assert_eq!((read("").offset().unwrap(), read("offset=7").offset().unwrap()), (0, 7));
        for query in ["offset=-1", "offset=x", "offset=", "offset=9223372036854775808"] {
            assert_eq!(read(query).offset().unwrap_err().field(), Some("offset"), "{query}");
        }
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:01.5z", 1_500),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01T01:00:00%2B01:00", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1970-01-01T00:00:00.0001Z", 1),
            ("1970-01-01T00:00:00.001000000Z", 1),
            ("1969-12-31T23:59:59.9991Z", 0),
            ("1969-12-31T18:30:00-05:30", 0),
            ("2024-02-29T23:59:60Z", 1_709_251_199_000),
            // The ends of what can be written.
            ("9999-12-31T23:59:59Z", Moment::LAST.millis()),
            ("9999-12-31T23:59:59.999999999-23:59", Moment::LAST.millis()),
            ("9999-12-30T22:00:00.9999Z", Moment::LAST.millis()),
            ("9999-12-30T21:59:59Z", Moment::LAST.millis() - 1_000),
            ("0000-01-01T00:00:00Z", Moment::FIRST.millis()),
            ("0000-01-01T00:00:00+23:59", Moment::FIRST.millis()),
        ] {
            assert_eq!(
                read(&format!("from={text}")).time("from").unwrap(),
                Some(Moment::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "now",
            "0",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+01",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00-01:60",
            "-1970-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-32T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "1970-01-01T00:00:00Z[UTC]",
            "1970-13-01T00:00:00Z",
            "1970-02-30T00:00:00Z",
            "1970-01-01T25:00:00Z",
            "+1970-01-01T00:00:00Z",
            "19700101T000000Z",
        ] {
            assert_eq!(read(&format!("from={text}")).time("from").unwrap_err().field(), Some("from"), "{text}");
        }
        assert_eq!(read("").time("from").unwrap(), None);
    }
}
