//! What a server's reply means: tokens, an error of OAuth, an error of the account's REST, or nothing that is JSON. Pure.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bitrouter_proto::{account::Role, codes::Reason};
use http::{HeaderMap, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{AccountError, http::Reply};

/// The most of a server's words that are kept.
const LONGEST_WORDS: usize = 300;
/// How long an access token lives where the server does not say.
const DEFAULT_LIFETIME: u64 = 3600;

/// A pair of tokens.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    pub(super) access_token: SecretString,
    pub(super) lifetime: Duration,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) refresh_lifetime: Option<Duration>,
    pub(super) token_type: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) namespace_id: Option<String>,
    pub(super) subject: Option<String>,
}

/// What the token endpoint said.
#[derive(Debug)]
pub(super) enum TokenReply {
    /// Tokens.
    Granted(Box<Tokens>),
    /// An error of RFC 6749 §5.2: its code, and what the server adds.
    Denied { code: String, words: String },
    /// Nothing that decides anything: it is tried again.
    Trouble { words: String, retry_after: Option<Duration> },
}

/// The members of a reply that we know. What is of another type than it should be counts as absent, but for the token.
#[derive(Deserialize)]
struct Document {
    access_token: Option<String>,
    #[serde(default)]
    token_type: Value,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    refresh_token: Value,
    #[serde(default)]
    refresh_token_expires_in: Value,
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    namespace_id: Value,
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    id_token: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    error_description: Value,
}

/// Reads a reply of the token endpoint. `host` is for people.
pub(super) fn token_reply(reply: &Reply, host: &str, now: std::time::SystemTime) -> TokenReply {
    let retry_after = retry_after(&reply.headers, now);
    let status = reply.status;
    let trouble = |words: String| TokenReply::Trouble { words, retry_after };
    if status >= 500 || status == 429 || (300..400).contains(&status) {
        return trouble(format!("`{host}` answered {status}"));
    }
    let Ok(document) = serde_json::from_slice::<Document>(reply.body.expose_secret()) else {
        return trouble(format!("`{host}` answered {status} with what is no reply to a token request"));
    };
    if document.access_token.as_deref().is_some_and(|token| !token.is_empty() && !fits_header(token)) {
        return trouble(format!("`{host}` answered {status} with a token that no header can carry"));
    }
    if let (Some(access_token), true) = (document.access_token.filter(|token| !token.is_empty()), status < 300) {
        let lifetime = seconds(&document.expires_in).unwrap_or(Duration::from_secs(DEFAULT_LIFETIME));
        return TokenReply::Granted(Box::new(Tokens {
            access_token: access_token.into(),
            lifetime,
            refresh_token: text(&document.refresh_token).map(Into::into),
            refresh_lifetime: seconds(&document.refresh_token_expires_in),
            token_type: text(&document.token_type),
            scope: text(&document.scope),
            namespace_id: text(&document.namespace_id),
            subject: text(&document.sub).or_else(|| text(&document.id_token).and_then(|token| subject_of(&token))),
        }));
    }
    match text(&document.error) {
        Some(code) if status >= 400 => {
            TokenReply::Denied { words: words(text(&document.error_description).as_deref(), &code), code }
        }
        _ => trouble(format!("`{host}` answered {status} without tokens")),
    }
}

/// True where a token can stand in an `Authorization` header (RFC 6750 §2.1).
pub(super) fn fits_header(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The `sub` of an id token, for display: nothing is verified, and nothing is decided by it.
pub(super) fn subject_of(id_token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    text(claims.get("sub")?)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Seconds as a number, or as a number in a string, as some servers write them.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let whole =
        number.or_else(|| value.as_f64().filter(|f| *f >= 0.0).map(|f| Duration::from_secs_f64(f.min(1e12)).as_secs()));
    whole.map(Duration::from_secs)
}

/// What a server said, short and without what a terminal would obey.
pub(super) fn words(description: Option<&str>, code: &str) -> String {
    let said = description.unwrap_or(code);
    let clean: String = said.chars().map(|c| if bitrouter_proto::account::is_hidden(c) { ' ' } else { c }).collect();
    clean.trim().chars().take(LONGEST_WORDS).collect()
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: std::time::SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than can be counted is the longest.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(std::time::SystemTime::from(date).duration_since(now).unwrap_or_default())
}

/// The id that the server gave a request.
fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-bitrouter-request-id", "x-request-id"].iter().find_map(|name| {
        let id = headers.get(*name)?.to_str().ok()?;
        (!id.is_empty()).then(|| words(Some(id), ""))
    })
}

/// The JSON of an account's REST, exactly as it came, or what its error says: both envelopes are read, the flat one of
/// OAuth and the nested one of OpenAI.
pub(super) fn json_reply(reply: &Reply, host: &str) -> Result<String, AccountError> {
    let body = reply.body.expose_secret();
    // A success without a word is one.
    let body = if body.is_empty() && (200..300).contains(&reply.status) { b"null".as_slice() } else { body };
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let (status, request_id) = (reply.status, request_id(&reply.headers));
    let failed = |reason, message: String, field: Option<String>, code, more: Vec<_>| {
        Err(AccountError {
            code,
            status: Some(status),
            field: field.map(String::into_boxed_str),
            request_id: request_id.clone().map(String::into_boxed_str),
            more: more.into(),
            ..AccountError::new(reason, message)
        })
    };
    let Some(document) = document else {
        let reason = if (400..500).contains(&status) { Reason::ServerRefused } else { Reason::ServerFailed };
        return failed(reason, format!("`{host}` answered {status} with what is no JSON"), None, None, Vec::new());
    };
    if (200..300).contains(&status) {
        // What parsed as JSON is UTF-8.
        return Ok(String::from_utf8_lossy(body).into_owned());
    }
    let nested = document.get("error").filter(|error| error.is_object());
    let member = |name: &str| nested.unwrap_or(&document).get(name).and_then(text);
    let code = if nested.is_some() { member("code").or_else(|| member("type")) } else { member("error") };
    // The flat one is OAuth's, or one of those that frameworks write.
    let said = if nested.is_some() {
        member("message")
    } else {
        ["error_description", "message", "detail"].iter().find_map(|name| member(name))
    };
    let field = if nested.is_some() { member("param") } else { member("field") };
    let message = match (said, &code) {
        (Some(said), _) => words(Some(&said), ""),
        (None, Some(code)) => words(None, code),
        (None, None) => format!("`{host}` answered {status}"),
    };
    // What a role does not allow, no other sign-in of the same person does.
    let message = match member("role").and_then(|role| Role::parse_given(&role)) {
        Some(role) => format!(
            "{message}; the role `{}` in this namespace does not allow it, its owner gives another",
            role.as_str()
        ),
        None => message,
    };
    let reason = if (400..500).contains(&status) { Reason::ServerRefused } else { Reason::ServerFailed };
    failed(
        reason,
        message,
        field.map(|field| words(Some(&field), "")),
        code.filter(|code| is_word(code)).map(String::into_boxed_str),
        more(nested.unwrap_or(&document)),
    )
}

/// The members of an error that have no place of their own, each as JSON: programs read them, as far as they are few and short.
fn more(error: &Value) -> Vec<(String, String)> {
    const KNOWN: [&str; 15] = [
        "code",
        "command",
        "detail",
        "error",
        "error_description",
        "error_uri",
        "field",
        "hint",
        "message",
        "param",
        "reason",
        "request_id",
        "role",
        "status",
        "type",
    ];
    let members = error.as_object().into_iter().flatten();
    let others = members.filter(|(name, _)| is_word(name) && !KNOWN.contains(&name.as_str()));
    let told = others.map(|(name, value)| (name.clone(), value.to_string()));
    told.filter(|(_, value)| value.len() <= LONGEST_MEMBER).take(MOST_MEMBERS).collect()
}

/// So many members more are told of an error, each of so many bytes at most: they go in the header of a reply.
const MOST_MEMBERS: usize = 8;
const LONGEST_MEMBER: usize = 512;

/// A word that programs can tell errors by: a server chose it.
fn is_word(code: &str) -> bool {
    !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec().into() }
    }

    #[test]
    fn rfc6749_5_what_a_reply_of_the_token_endpoint_means() {
        let now = SystemTime::UNIX_EPOCH;
        for (status, body, expected) in [
            (200, r#"{"access_token":"a","expires_in":5}"#, "granted 5"),
            (201, r#"{"access_token":"a","expires_in":"7"}"#, "granted 7"),
            (200, r#"{"access_token":"a","expires_in":7.9}"#, "granted 7"),
            (200, r#"{"access_token":"a","expires_in":null}"#, "granted 3600"),
            (200, r#"{"access_token":"a","expires_in":-1}"#, "granted 3600"),
            (200, r#"{"access_token":""}"#, "trouble"),
            (200, r#"{"access_token":7}"#, "trouble"),
            (200, r#"{"access_token":"a b"}"#, "trouble"),
            (200, r#"{"access_token":"a\u0007"}"#, "trouble"),
            (200, r#"{"access_token":"\u00e4"}"#, "trouble"),
            (200, r#"{"error":"invalid_grant"}"#, "trouble"),
            (400, r#"{"access_token":"a"}"#, "trouble"),
            (400, r#"{"error":"invalid_grant","error_description":"no\u001bmore"}"#, "denied invalid_grant no more"),
            (401, r#"{"error":"invalid_client"}"#, "denied invalid_client invalid_client"),
            (400, r#"{"error":{"message":"x"}}"#, "trouble"),
            (400, "", "trouble"),
            (404, "<html>", "trouble"),
            (302, r#"{"access_token":"a"}"#, "trouble"),
            (429, r#"{"error":"invalid_grant"}"#, "trouble"),
            (500, r#"{"error":"invalid_grant"}"#, "trouble"),
        ] {
            let read = match token_reply(&reply(status, body), "far", now) {
                TokenReply::Granted(tokens) => format!("granted {}", tokens.lifetime.as_secs()),
                TokenReply::Denied { code, words } => format!("denied {code} {words}"),
                TokenReply::Trouble { words, .. } => {
                    assert!(words.contains("far") && words.contains(&status.to_string()), "{words}");
                    "trouble".to_owned()
                }
            };
            assert_eq!(read, expected, "{status} {body}");
        }
    }

    #[test]
    fn rfc9110_10_2_3_retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("99999999999999999999999", Some(u64::MAX)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn the_words_of_an_error_are_found_in_every_envelope() {
        for (body, expected) in [
            (r#"{"error":{"message":"a","type":"t"},"detail":"b"}"#, "a"),
            (r#"{"error":"conflict","error_description":"a","message":"b"}"#, "a"),
            (r#"{"error":"Bad Request","message":"a"}"#, "a"),
            (r#"{"error":"Invalid key"}"#, "Invalid key"),
            (r#"{"detail":"Not authenticated"}"#, "Not authenticated"),
            (r#"{"message":"Too many"}"#, "Too many"),
            (r#"{"detail":[{"msg":"x"}]}"#, "`h` answered 400"),
        ] {
            assert_eq!(json_reply(&reply(400, body), "h").unwrap_err().message, expected, "{body}");
        }
    }

    #[test]
    fn what_an_error_says_besides_is_kept_as_far_as_it_is_short() {
        let more = |body: &str| json_reply(&reply(409, body), "h").unwrap_err().more;
        let long = format!(r#"{{"error":"conflict","a":"{}","b":1}}"#, "x".repeat(600));
        for (body, expected) in [
            (
                r#"{"error":"conflict","error_description":"no","field":"kek_id","current_kek_id":"kek_1"}"#,
                "current_kek_id=\"kek_1\"",
            ),
            (r#"{"error":{"message":"no","code":"c","type":"t","variables":["A"],"Odd Name":1}}"#, "variables=[\"A\"]"),
            (&long, "b=1"),
            (r#"{"error":"conflict"}"#, ""),
            ("[]", ""),
        ] {
            let told: Vec<String> = more(body).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(told.join(" "), expected, "{body}");
        }
        let many: Vec<String> = (0..20).map(|at| format!("\"m{at}\":{at}")).collect();
        assert_eq!(more(&format!("{{{}}}", many.join(","))).len(), MOST_MEMBERS);
    }

    #[test]
    fn what_a_role_does_not_allow_is_said_to_be_the_roles() {
        let said = |more: &str| {
            let body =
                format!(r#"{{"error":"forbidden","error_description":"missing required scope: keys:write"{more}}}"#);
            json_reply(&reply(403, &body), "h").unwrap_err().message
        };
        assert_eq!(
            said(r#","role":"viewer""#),
            "missing required scope: keys:write; the role `viewer` in this namespace does not allow it, its owner gives another"
        );
        for plain in ["", r#","role":"owner""#, r#","role":"\u001b[2J""#, r#","role":7"#] {
            assert_eq!(said(plain), "missing required scope: keys:write", "{plain}");
        }
    }

    #[test]
    fn the_subject_of_an_id_token_is_read_and_nothing_else_is_needed_of_it() {
        assert_eq!(subject_of("e30.eyJzdWIiOiJ1c3JfMSJ9.x").as_deref(), Some("usr_1"));
        for text in ["", "a.b.c", "e30.e30.x", "e30"] {
            assert_eq!(subject_of(text), None, "{text}");
        }
    }
}
