//! Writing pages: a template, and the headers that every page has.

use askama::Template;
use bitrouter_gateway::http::{ResponseBody, ResponseFuture, set_own_response};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};

use super::{assets, session::Signed};
use crate::{people::Busy, store::StoreError};

/// What a page may load: files of ours, and no script (Content Security Policy).
macro_rules! policy {
    () => {
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    };
}

/// Where somebody goes who wants nothing in particular.
pub(super) const HOME: &str = "/console";

/// What a handler gives: a page, or a refusal that becomes one.
pub(super) type Answer = Result<Response<ResponseBody>, Refusal>;

/// What surrounds the content of a page.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) style: String,
    /// Who is signed in, and the CSRF token of the session.
    pub(super) signed: Option<(String, String)>,
}

impl Frame {
    /// Of a page for anybody.
    pub(super) fn open(title: impl Into<String>) -> Self {
        Self { title: title.into(), style: assets::style_url(), signed: None }
    }

    /// Of a page for somebody who is signed in.
    pub(super) fn of(signed: &Signed, title: impl Into<String>) -> Self {
        Self { signed: Some((signed.person.name.clone(), signed.csrf.clone())), ..Self::open(title) }
    }

    /// The same of a page that says what is wrong, if anything is: the title says so first, as a reader hears it first.
    pub(super) fn with_error(self, error: Option<&str>) -> Self {
        match error {
            Some(_) => Self { title: format!("Error: {}", self.title), ..self },
            None => self,
        }
    }
}

/// Why somebody gets another page than they asked for.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    title: &'static str,
    words: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, title: &'static str, words: impl Into<String>) -> Self {
        Self { status, title, words: words.into(), headers: Vec::new() }
    }

    pub(super) fn bad(words: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This could not be read", words)
    }

    pub(super) fn unsupported() -> Self {
        let words = "Pages take forms (application/x-www-form-urlencoded).";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This could not be read", words)
    }

    /// A form that another site sent, or nobody's page.
    pub(super) fn foreign() -> Self {
        let words = "This form was not sent by one of bitrouter's own pages, so nothing was done. \
                     Open the page yourself and try again there.";
        Self::new(StatusCode::FORBIDDEN, "Nothing was done", words)
    }

    /// A form whose token is not, or no longer, the session's.
    pub(super) fn stale() -> Self {
        let words = "This page is out of date: you have signed in or out since it was opened. \
                     Nothing was done. Load it again and try once more.";
        Self::new(StatusCode::FORBIDDEN, "Nothing was done", words)
    }

    /// Sends the browser to sign in, and back.
    pub(super) fn sign_in_first(next: &str) -> Self {
        let mut refusal = Self::new(StatusCode::SEE_OTHER, "Sign in", "Sign in first.");
        refusal.headers.push((header::LOCATION, location(&Self::login_url(next))));
        refusal
    }

    /// Where one signs in to come to `next`.
    pub(super) fn login_url(next: &str) -> String {
        format!("/login?next={}", escaped(next))
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the node's database failed");
        let (status, words) = match error.passing() {
            Some((words, _)) => (StatusCode::SERVICE_UNAVAILABLE, format!("This cannot be done now: {words}.")),
            None => (StatusCode::INTERNAL_SERVER_ERROR, "The database failed; `bitrouter logs` says more.".to_owned()),
        };
        Self::new(status, "This did not work", words)
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        let words = "Too many people are signing in at this moment. Try again in a few seconds.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", words)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("2"))
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    heading: &'a str,
    /// Text, and between each two pieces of it what one types.
    words: Vec<&'a str>,
    /// True where the console answers.
    leads_on: bool,
}

/// A page that says why there is no other.
pub(crate) fn error_page(status: StatusCode, heading: &str, words: &str) -> Response<ResponseBody> {
    let frame = Frame::open(heading).with_error(Some(words));
    render(status, &ErrorPage { frame, heading, words: words.split('`').collect(), leads_on: true })
}

/// What is said in place of a page while there is no node; nothing where `uri` is no page's.
pub fn page_without_node(uri: &Uri, status: StatusCode, words: &str) -> Option<Response<ResponseBody>> {
    match uri.path() {
        assets::STYLE => Some(assets::style(uri.query().unwrap_or_default())),
        assets::MARK => Some(assets::mark()),
        assets::SEAL => Some(assets::seal(uri.query().unwrap_or_default())),
        path if is_page(path) => {
            let (heading, words) = ("There is no node here", words.split('`').collect());
            let frame = Frame::open(heading).with_error(Some(heading));
            Some(render(status, &ErrorPage { frame, heading, words, leads_on: false }))
        }
        _ => None,
    }
}

/// True where a person is answered with a page, be there one or not.
pub(crate) fn is_page(path: &str) -> bool {
    let is_below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ["/oauth/device", "/oauth/authorize"].contains(&path) || ["/console", "/login", "/logout"].into_iter().any(is_below)
}

/// The answer of a handler as a response.
pub(super) fn answer(answer: impl Future<Output = Answer> + Send + 'static) -> ResponseFuture {
    Box::pin(async move {
        answer.await.unwrap_or_else(|refusal| {
            let mut response = error_page(refusal.status, refusal.title, &refusal.words);
            for (name, value) in refusal.headers {
                response.headers_mut().insert(name, value);
            }
            response
        })
    })
}

/// A template as a page.
pub(super) fn render(status: StatusCode, template: &impl Template) -> Response<ResponseBody> {
    // The templates are compiled: writing one into memory cannot fail.
    let text = template.render().unwrap_or_default();
    let mut response = Response::new(ResponseBody::from(text));
    *response.status_mut() = status;
    guard(response.headers_mut());
    response
}

/// The same of a page whose script, a file of ours, seals what is pasted there. It can call nobody: what it sends is a form.
pub(super) fn render_with_script(status: StatusCode, template: &impl Template) -> Response<ResponseBody> {
    let mut response = render(status, template);
    let policy = HeaderValue::from_static(concat!("script-src 'self'; ", policy!()));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// Sends the browser to a page of ours with GET.
pub(super) fn see_other(path: &str) -> Response<ResponseBody> {
    let mut response = render(StatusCode::SEE_OTHER, &Onward { path });
    response.headers_mut().insert(header::LOCATION, location(path));
    response
}

#[derive(Template)]
#[template(source = "<!doctype html><title>bitrouter</title><a href=\"{{ path }}\">Go on</a>", ext = "html")]
struct Onward<'a> {
    path: &'a str,
}

fn location(path: &str) -> HeaderValue {
    HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static(HOME))
}

/// What keeps a page from being framed, scripted, stored or told on.
fn guard(headers: &mut HeaderMap) {
    set_own_response(headers, "text/html; charset=utf-8");
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy!()),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A text within a query (RFC 3986 §2.1).
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
