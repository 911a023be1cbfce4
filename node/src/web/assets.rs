//! The stylesheet and the mark: files of ours that every page may load.

use std::sync::LazyLock;

use bitrouter_gateway::http::{ResponseBody, set_own_response};
use http::{HeaderValue, Response, header};

use crate::{http::body::Form, secret::TokenHash};

pub(super) const STYLE: &str = "/console/style.css";
pub(super) const MARK: &str = "/console/mark.svg";

const STYLE_TEXT: &str = include_str!("../../templates/style.css");
const MARK_TEXT: &str = include_str!("../../templates/mark.svg");

/// Of the stylesheet: another one has another address, so that a browser may keep each for ever.
static STYLE_VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut version = TokenHash::of(STYLE_TEXT.as_bytes()).to_hex();
    version.truncate(12);
    version
});

/// Where the stylesheet is.
pub(super) fn style_url() -> String {
    format!("{STYLE}?v={}", *STYLE_VERSION)
}

/// `GET /console/style.css`
pub(super) fn style(query: &str) -> Response<ResponseBody> {
    let query = Form::parse(query.as_bytes()).unwrap_or_default();
    let is_this = query.one("v") == Some(&**STYLE_VERSION);
    let keep = if is_this { "public, max-age=31536000, immutable" } else { "no-cache" };
    file(STYLE_TEXT, "text/css; charset=utf-8", keep)
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
