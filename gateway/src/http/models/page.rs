//! Which part of a list its reader asks for. A place in a list is the name that stands there: a list that grew in the
//! meantime shows nothing twice and leaves nothing out.
//!
//! Source: Anthropic API reference, "List models" (`limit`, `after_id`, `before_id`); Gemini API reference, `models.list`
//! (`pageSize`, `pageToken`), whose members have a name with `_` too.

use bitrouter_proto::codes::InferenceCode;

use crate::{error::InferenceError, percent::percent_decoded};

/// The most entries that can be asked for at once.
const MOST: usize = 1000;

/// The part of a list that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    from: Place,
    /// At most so many.
    limit: usize,
}

/// A place in a list, with the parameter that names it.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Start,
    After(&'static str, String),
    Before(&'static str, String),
}

impl Asked {
    /// The part of `list` that is asked for, and whether there is more of it in the direction in which it is read.
    pub(super) fn of<'a, T>(&self, list: &'a [T], id: fn(&T) -> &str) -> Result<(&'a [T], bool), InferenceError> {
        let halves = |param, name: &str| {
            let at = list.iter().position(|item| id(item) == name);
            let at = at.ok_or_else(|| refused(param, "names nothing that is in this list"))?;
            Ok::<_, InferenceError>((list.get(..at).unwrap_or_default(), list.get(at + 1..).unwrap_or_default()))
        };
        let rest = match &self.from {
            Place::Start => list,
            Place::After(param, name) => halves(param, name)?.1,
            Place::Before(param, name) => {
                let before = halves(param, name)?.0;
                let left_out = before.len().saturating_sub(self.limit);
                return Ok((before.get(left_out..).unwrap_or_default(), left_out > 0));
            }
        };
        Ok(rest.get(..self.limit).map_or((rest, false), |part| (part, rest.len() > part.len())))
    }
}

/// What a query in Anthropic's manner asks for. Without a limit it is the whole list: OpenAI's readers know no pages.
pub(super) fn of_anthropic(query: &str) -> Result<Asked, InferenceError> {
    let limit = match number(query, &["limit"])? {
        Some(limit) if limit > MOST => return Err(refused("limit", "is a whole number from 1 to 1000")),
        limit => limit.unwrap_or(usize::MAX),
    };
    let from = match (member(query, &["after_id"])?, member(query, &["before_id"])?) {
        (Some(_), Some(_)) => return Err(refused("before_id", "and `after_id` exclude each other")),
        (Some(id), None) => Place::After("after_id", id),
        (None, Some(id)) => Place::Before("before_id", id),
        (None, None) => Place::Start,
    };
    Ok(Asked { from, limit })
}

/// What a query in Google's manner asks for; an empty token is none.
pub(super) fn of_google(query: &str) -> Result<Asked, InferenceError> {
    let limit = number(query, &["pageSize", "page_size"])?.map_or(MOST, |size| size.min(MOST));
    let token = member(query, &["pageToken", "page_token"])?.filter(|token| !token.is_empty());
    Ok(Asked { from: token.map_or(Place::Start, |token| Place::After("pageToken", token)), limit })
}

/// The number of a parameter, which is at least 1; more than any list holds where it is longer than a number can be.
fn number(query: &str, names: &'static [&'static str]) -> Result<Option<usize>, InferenceError> {
    let Some(text) = member(query, names)? else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().unwrap_or(usize::MAX) {
        number if digits && number > 0 => Ok(Some(number)),
        _ => Err(refused(names[0], "is a whole number from 1 to 1000")),
    }
}

/// The parameter that has one of `names`, which are one.
pub(super) fn member(query: &str, names: &'static [&'static str]) -> Result<Option<String>, InferenceError> {
    let mut found = None;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if names.contains(&text(name).as_str()) && found.replace(text(value)).is_some() {
            return Err(refused(names[0], "is given twice"));
        }
    }
    Ok(found)
}

/// Text of a query, in which `+` is a space (WHATWG URL, "application/x-www-form-urlencoded parsing").
fn text(encoded: &str) -> String {
    String::from_utf8_lossy(&percent_decoded(&encoded.replace('+', " "))).into_owned()
}

fn refused(param: &'static str, what: &str) -> InferenceError {
    InferenceError::new(InferenceCode::InvalidRequest, format!("`{param}` {what}")).with_param(param)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read = fn(&str) -> Result<Asked, InferenceError>;

    fn part(read: Read, query: &str, list: &[&'static str]) -> Result<(Vec<&'static str>, bool), Option<&'static str>> {
        let cut = |asked: Asked| asked.of(list, |item| item).map(|(part, more)| (part.to_vec(), more));
        read(query).and_then(cut).map_err(|error| {
            assert_eq!(error.code(), InferenceCode::InvalidRequest);
            error.param()
        })
    }

    #[test]
    fn a_part_is_asked_for_in_anthropics_manner() {
        let list = &["a/1", "a/2", "b/x y", "b/z+"];
        for (query, expected, more) in [
            ("", &list[..], false),
            ("beta=true&unknown=1&LIMIT=1", &list[..], false),
            ("limit=1000", &list[..], false),
            ("limit=4", &list[..], false),
            ("limit=3", &list[..3], true),
            ("%6cimit=%31", &list[..1], true),
            ("after_id=a%2F2", &list[2..], false),
            ("after_id=a/1&limit=1", &list[1..2], true),
            ("after_id=b/x+y&limit=1", &list[3..], false),
            ("after_id=b/z%2B", &[], false),
            ("before_id=a/1", &[], false),
            ("before_id=b/z%2b&limit=2", &list[1..3], true),
            ("before_id=b/x%20y&limit=2", &list[..2], false),
        ] {
            assert_eq!(part(of_anthropic, query, list), Ok((expected.to_vec(), more)), "{query}");
        }
        for (query, param) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=%2B1", "limit"),
            ("limit=1.0", "limit"),
            ("limit=", "limit"),
            ("limit", "limit"),
            ("limit=99999999999999999999999", "limit"),
            ("limit=1&limit=1", "limit"),
            ("after_id=a/3", "after_id"),
            ("after_id=", "after_id"),
            ("before_id=A/1", "before_id"),
            ("after_id=a/1&before_id=b/z%2B", "before_id"),
        ] {
            assert_eq!(part(of_anthropic, query, list), Err(Some(param)), "{query}");
        }
    }

    #[test]
    fn a_part_is_asked_for_in_googles_manner() {
        let list = &["a/1", "a/2", "b/3"];
        for (query, expected, more) in [
            ("", &list[..], false),
            ("key=secret&limit=0&filter=x", &list[..], false),
            ("pageSize=2", &list[..2], true),
            ("page_size=2&page_token=a%2F1", &list[1..], false),
            ("pageToken=", &list[..], false),
            ("pageToken=b/3", &[], false),
            ("pageSize=1001", &list[..], false),
            ("pageSize=99999999999999999999999", &list[..], false),
        ] {
            assert_eq!(part(of_google, query, list), Ok((expected.to_vec(), more)), "{query}");
        }
        for (query, param) in [
            ("pageSize=0", "pageSize"),
            ("pageSize=-1", "pageSize"),
            ("page_size=x", "pageSize"),
            ("pageSize=1&page_size=1", "pageSize"),
            ("pageToken=nope", "pageToken"),
            ("pageToken=a/1&page_token=a/1", "pageToken"),
        ] {
            assert_eq!(part(of_google, query, list), Err(Some(param)), "{query}");
        }
        let long: Vec<String> = (0..1500).map(|number| number.to_string()).collect();
        for query in ["", "pageSize=1200"] {
            let (part, more) = of_google(query).unwrap().of(&long, |name| name).unwrap();
            assert_eq!((part.len(), more), (MOST, true), "{query}");
        }
    }

    proptest! {
        /// Whatever the size of a page, and from whichever end they are read: the pages joined are the list.
        #[test]
        fn pages_joined_are_the_list(length in 0_usize..40, size in 1_usize..45) {
            let list: Vec<String> = (0..length).map(|number| format!("p/{number}")).collect();
            let read = |read: Read, query: &str| {
                let asked = read(query).unwrap();
                let (part, more) = asked.of(&list, |name| name).unwrap();
                (part.to_vec(), more)
            };
            for (reader, sized, after) in
                [(of_anthropic as Read, "limit", "after_id"), (of_google as Read, "pageSize", "pageToken")]
            {
                let mut joined = Vec::new();
                let mut query = format!("{sized}={size}");
                loop {
                    let (part, more) = read(reader, &query);
                    joined.extend(part);
                    if !more {
                        break;
                    }
                    query = format!("{sized}={size}&{after}={}", joined.last().unwrap());
                }
                prop_assert_eq!(&joined, &list);
            }
            let Some(last) = list.last() else { return Ok(()) };
            let mut joined = vec![last.clone()];
            loop {
                let (part, more) = read(of_anthropic, &format!("limit={size}&before_id={}", joined[0]));
                joined.splice(..0, part);
                if !more {
                    break;
                }
            }
            prop_assert_eq!(&joined, &list);
        }

        #[test]
        fn any_query_is_read_without_a_panic(query in "((limit|after_id|before_id|pageSize|page_token)=?[-+%&=0-9a-f/]{0,6}&?){0,4}") {
            for read in [of_anthropic as Read, of_google as Read] {
                let _ = part(read, &query, &["a", "b"]);
            }
        }
    }
}
