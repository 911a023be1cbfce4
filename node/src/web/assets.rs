//! Files of ours that pages load: the stylesheet and the mark, and the script that seals a provider's key where it is pasted.

use std::sync::LazyLock;

use bitrouter_gateway::http::{ResponseBody, set_own_response};
use http::{HeaderValue, Response, header};

use crate::{http::body::Form, secret::TokenHash};

pub(super) const STYLE: &str = "/console/style.css";
pub(super) const MARK: &str = "/console/mark.svg";
pub(super) const SEAL: &str = "/console/seal.js";

const STYLE_TEXT: &str = include_str!("../../templates/style.css");
const MARK_TEXT: &str = include_str!("../../templates/mark.svg");

/// What others wrote, each file within a function that gives it what it looks for, with what their licenses ask for; then ours.
const SEAL_TEXT: &str = concat!(
    "/* tweetnacl 1.0.3\n\n",
    include_str!("../../vendor/tweetnacl/LICENSE"),
    "\nblakejs 1.2.1\n\n",
    include_str!("../../vendor/blakejs/LICENSE"),
    "*/\n(() => {\nconst nacl = ((module) => {\n",
    include_str!("../../vendor/tweetnacl/nacl.js"),
    "\nreturn module.exports;\n})({ exports: {} });\nconst util = ((module) => {\n",
    include_str!("../../vendor/blakejs/util.js"),
    "\nreturn module.exports;\n})({ exports: {} });\nconst { blake2b } = ((module, require) => {\n",
    include_str!("../../vendor/blakejs/blake2b.js"),
    "\nreturn module.exports;\n})({ exports: {} }, () => util);\n",
    include_str!("../../templates/seal.js"),
    "})();\n",
);

/// Another text has another address, so that a browser may keep each for ever.
static STYLE_VERSION: LazyLock<String> = LazyLock::new(|| version(STYLE_TEXT));
static SEAL_VERSION: LazyLock<String> = LazyLock::new(|| version(SEAL_TEXT));

fn version(text: &str) -> String {
    let mut version = TokenHash::of(text.as_bytes()).to_hex();
    version.truncate(12);
    version
}

/// Where the stylesheet is.
pub(super) fn style_url() -> String {
    format!("{STYLE}?v={}", *STYLE_VERSION)
}

/// Where the script is that seals.
pub(super) fn seal_url() -> String {
    format!("{SEAL}?v={}", *SEAL_VERSION)
}

/// `GET /console/style.css`
pub(super) fn style(query: &str) -> Response<ResponseBody> {
    file(STYLE_TEXT, "text/css; charset=utf-8", kept(query, &STYLE_VERSION))
}

/// `GET /console/seal.js`
pub(super) fn seal(query: &str) -> Response<ResponseBody> {
    file(SEAL_TEXT, "text/javascript; charset=utf-8", kept(query, &SEAL_VERSION))
}

/// How long what was asked for by its version may be kept.
fn kept(query: &str, version: &str) -> &'static str {
    let query = Form::parse(query.as_bytes()).unwrap_or_default();
    if query.one("v") == Some(version) { "public, max-age=31536000, immutable" } else { "no-cache" }
}

/// `GET /console/mark.svg`
pub(super) fn mark() -> Response<ResponseBody> {
    file(MARK_TEXT, "image/svg+xml", "public, max-age=86400")
}

fn file(text: &'static str, media_type: &'static str, keep: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(text.to_owned()));
    set_own_response(response.headers_mut(), media_type);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_as_they_published_it() {
        for (text, sum) in [
            (
                include_str!("../../vendor/tweetnacl/nacl.js"),
                "2555523ab79e980c7aec94aaf6c80e3c120fba04e9c4a95ab9faa7878602380e",
            ),
            (
                include_str!("../../vendor/blakejs/blake2b.js"),
                "79e88d06fcb301e862d7908d14698e7d2e647b850e3bfbcaf33234615a7b5219",
            ),
            (
                include_str!("../../vendor/blakejs/util.js"),
                "46118f8900880fc759aa2ae5c64fed9a753132a3dcbefb2881a3bf9c0dd094fd",
            ),
        ] {
            assert_eq!(TokenHash::of(text.as_bytes()).to_hex(), sum);
        }
    }
}
