//! The headers that decide about access, found in one pass over all of them.

use http::{HeaderMap, HeaderValue, Uri};

use super::{
    credential::{PresentedKey, bearer, keys_in},
    forwarded::is_forwarding,
};
use crate::listener::request_id;

/// A header that may stand once: a second value would let two programs read different things.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum SingleHeader<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// Its only value.
    Value(&'a HeaderValue),
    /// It stands more than once.
    Repeated,
}

impl<'a> SingleHeader<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Self::Absent) { Self::Value(value) } else { Self::Repeated };
    }
}

/// What a request says about where it comes from and who sent it.
#[derive(Debug, Default)]
pub(in crate::listener) struct AccessHeaders<'a> {
    pub(super) host: SingleHeader<'a>,
    pub(super) origin: SingleHeader<'a>,
    /// The browser's own statement of where a request comes from.
    pub(super) sec_fetch_site: SingleHeader<'a>,
    /// What the browser would do with the reply.
    pub(super) sec_fetch_mode: SingleHeader<'a>,
    /// Where the browser would show the reply.
    pub(super) sec_fetch_dest: SingleHeader<'a>,
    /// A header that says that the request was passed on.
    pub(super) forwarding: Option<&'a str>,
    pub(super) presented: PresentedKey<'a>,
    request_id: SingleHeader<'a>,
}

impl<'a> AccessHeaders<'a> {
    /// Those of a request for `uri`.
    pub(in crate::listener) fn of(uri: &'a Uri, headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "host" => found.host.add(value),
                "origin" => found.origin.add(value),
                "sec-fetch-site" => found.sec_fetch_site.add(value),
                "sec-fetch-mode" => found.sec_fetch_mode.add(value),
                "sec-fetch-dest" => found.sec_fetch_dest.add(value),
                "authorization" => found.presented.add(bearer(value.as_bytes()).into()),
                "x-api-key" | "x-goog-api-key" => found.presented.add(value.as_bytes().trim_ascii().into()),
                request_id::NAME => found.request_id.add(value),
                name if is_forwarding(name) => found.forwarding = found.forwarding.or(Some(name)),
                _ => {}
            }
        }
        for key in uri.query().into_iter().flat_map(keys_in) {
            found.presented.add(key);
        }
        found
    }

    /// The id that the caller gives its request, where it gives one.
    pub(in crate::listener) fn request_id(&self) -> Option<&'a HeaderValue> {
        match self.request_id {
            SingleHeader::Value(id) => Some(id),
            SingleHeader::Absent | SingleHeader::Repeated => None,
        }
    }
}
