//! A token of the daemon's own node, gotten as a program gets one: the device grant (RFC 8628), approved on the page by the
//! owner, whom a one-time link of `bitrouter console` signs in.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Stdio,
};

use http::HeaderValue;
use serde_json::Value;

use crate::{daemon::Daemon, error::BenchError};

const CLIENT: &str = "bitrouter-cli";
const SCOPE: &str = "inference:invoke";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The value of `Authorization` that opens inference on `daemon`.
pub(crate) fn authorization(daemon: &Daemon) -> Result<HeaderValue, BenchError> {
    let to = daemon.address();
    let output = daemon.client(&["console", "--no-open", "--json"]).stdout(Stdio::piped()).output();
    let output = output.map_err(BenchError::io("run `bitrouter console`"))?;
    let link = member(&String::from_utf8_lossy(&output.stdout), "url")?;
    let path = link.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
    let signed_in = get(to, &path.ok_or_else(|| unexpected("the link of the console"))?, "")?;
    let cookie = between(&signed_in, "set-cookie: ", ";")?.to_owned();

    let code = post(to, "/oauth/device_authorization", "", &[("client_id", CLIENT), ("scope", SCOPE)])?;
    let (user_code, device_code) = (member(body(&code), "user_code")?, member(body(&code), "device_code")?);
    let page = get(to, "/oauth/device", &cookie)?;
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"")?;
    let consent = post(to, "/oauth/device", &cookie, &[("csrf", csrf), ("user_code", &user_code)])?;
    let fields = [
        ("csrf", between(&consent, "name=\"csrf\" value=\"", "\"")?),
        ("user_code", &user_code),
        ("namespace", between(&consent, "<option value=\"", "\"")?),
        ("scope", SCOPE),
        ("decision", "approve"),
    ];
    post(to, "/oauth/device", &cookie, &fields)?;
    let fields = [("grant_type", GRANT), ("device_code", &device_code), ("client_id", CLIENT)];
    let tokens = post(to, "/oauth/token", "", &fields)?;
    let token = member(body(&tokens), "access_token")?;
    HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| unexpected("the token"))
}

fn get(to: SocketAddr, path: &str, cookie: &str) -> Result<String, BenchError> {
    exchange(to, &format!("GET {path} HTTP/1.1\r\nhost: {to}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"))
}

/// A form as a page of the daemon's own posts it.
fn post(to: SocketAddr, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Result<String, BenchError> {
    let mut form = String::new();
    for (name, value) in fields {
        write!(form, "&{name}=").ok();
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() {
                form.push(char::from(byte));
            } else {
                write!(form, "%{byte:02X}").ok();
            }
        }
    }
    let form = form.trim_start_matches('&');
    exchange(
        to,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: {to}\r\norigin: http://{to}\r\ncookie: {cookie}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        ),
    )
}

fn exchange(to: SocketAddr, request: &str) -> Result<String, BenchError> {
    let mut stream = TcpStream::connect(to).map_err(BenchError::io("reach the daemon"))?;
    stream.write_all(request.as_bytes()).map_err(BenchError::io("ask the daemon"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(BenchError::io("read the daemon's answer"))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if matches!(status, "200" | "302" | "303") {
        return Ok(answer);
    }
    let line = request.lines().next().unwrap_or_default();
    Err(BenchError::Unexpected(format!("`{}` was answered {status}", line.split('?').next().unwrap_or_default())))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or(answer, |(_, body)| body)
}

fn member(text: &str, name: &str) -> Result<String, BenchError> {
    let json: Value = serde_json::from_str(text).map_err(|_| unexpected("an answer of the node"))?;
    json[name].as_str().map(str::to_owned).ok_or_else(|| unexpected("an answer of the node"))
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Result<&'t str, BenchError> {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.map(|(found, _)| found).ok_or_else(|| unexpected("a page of the node"))
}

fn unexpected(what: &str) -> BenchError {
    BenchError::Unexpected(format!("{what} is not what it was expected to be"))
}
