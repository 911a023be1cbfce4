//! What the server answers to each path.

use serde_json::json;

use super::{Decision, Exchange, Fault, Shared};
use crate::{Reply, openai, provider::Request};

impl Shared {
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let path = request.target.split('?').next().unwrap_or_default();
        match (request.method.as_str(), path) {
            ("GET", "/.well-known/oauth-authorization-server") => Reply::json(200, self.metadata.to_string()),
            ("POST", "/oauth/device_authorization") => self.start(request),
            ("POST", "/oauth/token") => self.token(request),
            ("POST", "/oauth/revoke") => {
                let token = field(request, "token");
                self.ledger.revoke(&token);
                self.revoked.push(token);
                Reply::json(200, "{}")
            }
            _ => match request.key() {
                Some(key) if !self.always_401 && (key.starts_with("brk_") || self.ledger.opens(key)) => {
                    self.account(request, path)
                }
                _ => Reply::with(
                    401,
                    &[("content-type", "application/json"), ("x-bitrouter-request-id", "req-far")],
                    r#"{"error":{"message":"no such token","type":"authentication_error","code":"invalid_api_key","param":null}}"#,
                ),
            },
        }
    }

    fn account(&self, request: &Request, path: &str) -> Reply {
        if let Some(reply) = self.rest.answer(request) {
            return reply;
        }
        match path {
            "/v1/models" => Reply::json(200, self.models.to_string()),
            "/v1/namespaces" => Reply::json(200, self.namespaces.to_string()),
            _ => openai::answer(request),
        }
    }

    fn start(&mut self, request: &Request) -> Reply {
        let scope = field(request, "scope");
        if let Some(fault) = self.device_faults.pop_front() {
            return fault;
        }
        self.ledger.asked_scope = scope;
        let url = &self.url;
        Reply::json(
            200,
            json!({
                "device_code": "device-code-of-the-far-server",
                "user_code": "BCDF-GHJK",
                "verification_uri": format!("{url}/oauth/device"),
                "verification_uri_complete": format!("{url}/oauth/device?user_code=BCDF-GHJK"),
                "expires_in": self.code_lifetime,
                "interval": self.interval,
            })
            .to_string(),
        )
    }

    fn token(&mut self, request: &Request) -> Reply {
        if field(request, "grant_type") != "refresh_token" {
            self.polls += 1;
            if let Some(fault) = self.device_faults.pop_front() {
                return fault;
            }
            return match self.decision {
                Decision::Pending => refusal("authorization_pending"),
                Decision::Denied => refusal("access_denied"),
                Decision::Expired => refusal("expired_token"),
                Decision::Approved => {
                    let pair = self.ledger.begin();
                    Reply::json(200, self.ledger.document(&pair).to_string())
                }
            };
        }
        let (token, scope) = (field(request, "refresh_token"), field(request, "scope"));
        let fault = self.faults.pop_front();
        if let Some(reply) = fault.as_ref().and_then(Fault::instead) {
            self.ledger.exchanges.push(Exchange { refresh_token: token, scope, was_answered: false });
            return reply;
        }
        match self.ledger.refresh(&token, scope) {
            Some(pair) => {
                let document = self.ledger.document(&pair);
                match fault {
                    Some(fault) => fault.of(document),
                    None => Reply::json(200, document.to_string()),
                }
            }
            None => refusal("invalid_grant"),
        }
    }
}

pub(super) fn refusal(code: &str) -> Reply {
    Reply::json(400, json!({"error": code, "error_description": format!("{code}, said the far server")}).to_string())
}

/// A member of a form body.
fn field(request: &Request, name: &str) -> String {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let value = body.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    value.map(|(_, value)| unescaped(value)).unwrap_or_default()
}

/// `application/x-www-form-urlencoded`, read.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).expect("an escape")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        assert_eq!(unescaped("a%3Ab+c%20d"), "a:b c d");
    }
}
