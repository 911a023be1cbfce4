//! Bodies: read whole within a bound, then as a form or as JSON whose every member is known.

use std::{collections::BTreeMap, time::Duration};

use bitrouter_gateway::http::percent_decoded;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;

use super::{
    Kind,
    error::{ApiError, Code},
};

/// The most that a body of each kind may have, in bytes.
fn bound(kind: Kind) -> usize {
    match kind {
        Kind::Rest | Kind::Tokenroute => 1024 * 1024,
        Kind::OAuth | Kind::Page | Kind::Event => 64 * 1024,
    }
}

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Reads the body of a request for an endpoint of `kind`.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, kind: Kind) -> Result<Bytes, ApiError>
where
    B: BodyExt<Data = Bytes> + Unpin,
{
    tokio::time::timeout(ARRIVAL, read_whole(headers, body, kind)).await.unwrap_or_else(|_| {
        let message = format!("the body did not arrive within {} s", ARRIVAL.as_secs());
        Err(ApiError::new(Code::BadRequest, message).with_status(StatusCode::REQUEST_TIMEOUT))
    })
}

async fn read_whole<B>(headers: &HeaderMap, mut body: B, kind: Kind) -> Result<Bytes, ApiError>
where
    B: BodyExt<Data = Bytes> + Unpin,
{
    let bound = bound(kind);
    let too_large = || {
        let message = format!("the body is larger than {} KiB", bound / 1024);
        ApiError::new(Code::BadRequest, message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bound as u64) {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::new(Code::BadRequest, "the body broke off"))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > bound {
                return Err(too_large());
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// True where nothing is made of a body: one that has a member is refused by its name.
pub(crate) fn takes_none(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::DELETE)
}

/// Refuses a body that says it is no JSON. A request without a body needs to say nothing, nor does one of a method that takes
/// none.
pub(crate) fn json_or_nothing(head: &http::request::Parts) -> Result<(), ApiError> {
    let headers = &head.headers;
    let refused =
        |message: &str| Err(ApiError::new(Code::BadRequest, message).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    let has_none = match headers.get(header::CONTENT_LENGTH) {
        Some(length) => length.as_bytes() == b"0",
        None => !headers.contains_key(header::TRANSFER_ENCODING),
    };
    if has_none {
        return Ok(());
    }
    let says_nothing = takes_none(&head.method) && !headers.contains_key(header::CONTENT_TYPE);
    if !says_nothing && media_type(headers).as_deref() != Some("application/json") {
        return refused("the body must be `Content-Type: application/json`");
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            refused("the body must not be compressed")
        }
        _ => Ok(()),
    }
}

/// The media type of a request, in lower case and without its parameters; none where it says two.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut said = headers.get_all(header::CONTENT_TYPE).iter();
    let value = said.next().filter(|_| said.next().is_none())?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// A form (`application/x-www-form-urlencoded`): each name with its values, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// Reads a form; `None` where a name or value is no UTF-8.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            fields.entry(decoded(name)?).or_default().push(decoded(value)?);
        }
        Some(Self(fields))
    }

    /// The value of a field that was sent once and is not empty.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        match self.0.get(name)?.as_slice() {
            [value] if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// Every value of a field.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// A field that was sent more than once, though it is none of `many`.
    pub(crate) fn repeated_but(&self, many: &[&str]) -> Option<&str> {
        let is_repeated = |(name, values): &(&String, &Vec<String>)| values.len() > 1 && !many.contains(&name.as_str());
        self.0.iter().find(is_repeated).map(|(name, _)| name.as_str())
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    String::from_utf8(percent_decoded(&spaced).into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_and_repeats_are_seen() {
        let form = Form::parse(b"a=1&b=x+y%2B&c=&scope=q&scope=r&%64=5&e").unwrap();
        assert_eq!(form.one("a"), Some("1"));
        assert_eq!(form.one("b"), Some("x y+"));
        assert_eq!((form.one("c"), form.one("e"), form.one("z")), (None, None, None));
        assert_eq!(form.one("d"), Some("5"));
        assert_eq!(form.all("scope"), ["q", "r"]);
        assert_eq!((form.one("scope"), form.repeated_but(&[])), (None, Some("scope")));
        assert!(Form::parse(b"a=%ff").is_none() && Form::parse(&[0xff]).is_none());
    }
}
