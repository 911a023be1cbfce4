//! The reviewed list: what each judged endpoint takes. A new endpoint has no line here and fails.

use bitrouter_node::http::{Access, Endpoint, all_endpoints};
use bitrouter_proto::account::Scope;
use http::Method;

/// What an endpoint takes.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub method: &'static str,
    pub path: &'static str,
    pub scope: Scope,
    /// True where a token with the scope is answered; false where only a browser is.
    pub takes_tokens: bool,
    /// What it hands on to what it makes, whatever is sent, and so takes too.
    pub gives: Option<Scope>,
    /// A body that it takes.
    pub body: &'static str,
}

const fn entry(method: &'static str, path: &'static str, scope: Scope) -> Entry {
    Entry { method, path, scope, takes_tokens: true, gives: None, body: "" }
}

/// A body in the place of which one with a sealed key is sent.
pub const SEALED: &str =
    r#"{"provider_name":"openai","ciphertext_b64":"AAAA","kek_id":"kek_0000000000000000","key_prefix":"sk-"}"#;

pub const ENTRIES: &[Entry] = &[
    entry("GET", "/v1/namespaces", Scope::NamespaceRead),
    Entry { body: r#"{"name":"made"}"#, ..entry("POST", "/v1/namespaces", Scope::NamespaceWrite) },
    entry("DELETE", "/v1/namespaces/{nsid}", Scope::NamespaceWrite),
    Entry { takes_tokens: false, ..entry("GET", "/v1/namespaces/{nsid}/members", Scope::NamespaceWrite) },
    Entry {
        takes_tokens: false,
        body: r#"{"name":"eve","role":"viewer"}"#,
        ..entry("POST", "/v1/namespaces/{nsid}/members", Scope::NamespaceWrite)
    },
    Entry { takes_tokens: false, ..entry("DELETE", "/v1/namespaces/{nsid}/members/{usr}", Scope::NamespaceWrite) },
    entry("GET", "/v1/namespaces/{nsid}/keys", Scope::KeysRead),
    Entry {
        body: r#"{"display_name":"made","scopes":["keys:write"]}"#,
        ..entry("POST", "/v1/namespaces/{nsid}/keys", Scope::KeysWrite)
    },
    entry("DELETE", "/v1/namespaces/{nsid}/keys/{key}", Scope::KeysWrite),
    entry("GET", "/v1/namespaces/{nsid}/sessions", Scope::KeysRead),
    entry("DELETE", "/v1/namespaces/{nsid}/sessions/{tok}", Scope::KeysWrite),
    entry("GET", "/v1/namespaces/{nsid}/oauth/clients", Scope::ClientsRead),
    Entry {
        body: r#"{"client_name":"made","client_type":"public","allowed_scopes":["clients:write"],"allowed_grant_types":["refresh_token"]}"#,
        ..entry("POST", "/v1/namespaces/{nsid}/oauth/clients", Scope::ClientsWrite)
    },
    entry("PUT", "/v1/namespaces/{nsid}/oauth/clients/{client_id}", Scope::ClientsWrite),
    entry("DELETE", "/v1/namespaces/{nsid}/oauth/clients/{client_id}", Scope::ClientsWrite),
    entry("GET", "/v1/namespaces/{nsid}/usage", Scope::UsageRead),
    entry("GET", "/v1/namespaces/{nsid}/requests", Scope::UsageRead),
    entry("GET", "/v1/namespaces/{nsid}/requests/{req}", Scope::UsageRead),
    entry("GET", "/v1/requests/{request_id}/settlement", Scope::UsageRead),
    entry("GET", "/v1/namespaces/{nsid}/policies", Scope::PolicyRead),
    Entry {
        body: r#"{"name":"made","kind":"rate_limit","spec":{"window_secs":60,"max_requests":1}}"#,
        ..entry("POST", "/v1/namespaces/{nsid}/policies", Scope::PolicyWrite)
    },
    entry("GET", "/v1/namespaces/{nsid}/policies/effective", Scope::PolicyRead),
    entry("GET", "/v1/namespaces/{nsid}/policies/{pol}", Scope::PolicyRead),
    entry("PUT", "/v1/namespaces/{nsid}/policies/{pol}", Scope::PolicyWrite),
    entry("DELETE", "/v1/namespaces/{nsid}/policies/{pol}", Scope::PolicyWrite),
    entry("POST", "/v1/namespaces/{nsid}/policies/{pol}/bind", Scope::PolicyWrite),
    entry("DELETE", "/v1/namespaces/{nsid}/policies/{pol}/bind/{bnd}", Scope::PolicyWrite),
    entry("POST", "/v1/namespaces/{nsid}/policies/{pol}/disable", Scope::PolicyWrite),
    entry("POST", "/v1/namespaces/{nsid}/policies/{pol}/enable", Scope::PolicyWrite),
    entry("GET", "/v1/namespaces/{nsid}/policies/{pol}/bindings", Scope::PolicyRead),
    entry("GET", "/v1/namespaces/{nsid}/principals/{principal_type}/{principal_id}/policies", Scope::PolicyRead),
    entry("GET", "/v1/namespaces/{nsid}/budgets", Scope::PolicyRead),
    Entry {
        body: r#"{"name":"made","window":"day","limit_micro_usd":1}"#,
        ..entry("POST", "/v1/namespaces/{nsid}/budgets", Scope::PolicyWrite)
    },
    entry("GET", "/v1/namespaces/{nsid}/budgets/{budget}", Scope::PolicyRead),
    entry("PUT", "/v1/namespaces/{nsid}/budgets/{budget}", Scope::PolicyWrite),
    entry("DELETE", "/v1/namespaces/{nsid}/budgets/{budget}", Scope::PolicyWrite),
    entry("GET", "/v1/namespaces/{nsid}/presets", Scope::PolicyRead),
    Entry {
        body: r#"{"name":"made","guardrail":{"allow_streaming":false}}"#,
        ..entry("POST", "/v1/namespaces/{nsid}/presets", Scope::PolicyWrite)
    },
    entry("GET", "/v1/namespaces/{nsid}/presets/{preset}", Scope::PolicyRead),
    entry("PUT", "/v1/namespaces/{nsid}/presets/{preset}", Scope::PolicyWrite),
    entry("DELETE", "/v1/namespaces/{nsid}/presets/{preset}", Scope::PolicyWrite),
    entry("GET", "/v1/billing/balance", Scope::BillingRead),
    entry("GET", "/v1/billing/transactions", Scope::BillingRead),
    Entry { body: r#"{"amount_cents":2000}"#, ..entry("POST", "/v1/billing/checkout/sessions", Scope::BillingWrite) },
    entry("GET", "/v1/byok/keys", Scope::ByokRead),
    Entry { body: SEALED, ..entry("POST", "/v1/byok/keys", Scope::ByokWrite) },
    entry("DELETE", "/v1/byok/keys/{provider}", Scope::ByokWrite),
    Entry { takes_tokens: false, ..entry("GET", "/v1/node/usage", Scope::UsageRead) },
    entry("GET", "/api/v1/me", Scope::AccountRead),
    entry("GET", "/api/v1/balance", Scope::BillingRead),
    entry("GET", "/api/v1/me/keys", Scope::KeysRead),
    Entry {
        gives: Some(Scope::InferenceInvoke),
        body: r#"{"name":"made"}"#,
        ..entry("POST", "/api/v1/me/keys", Scope::KeysWrite)
    },
    entry("DELETE", "/api/v1/me/keys/{key}", Scope::KeysWrite),
    Entry { body: r#"{"amount_usd":"5.0"}"#, ..entry("POST", "/api/v1/topup", Scope::BillingWrite) },
    entry("GET", "/api/v1/me/usage", Scope::UsageRead),
    entry("GET", "/v1/account", Scope::AccountRead),
    Entry { body: r#"{"display_name":"Ada"}"#, ..entry("PATCH", "/v1/account", Scope::AccountWrite) },
    Entry { takes_tokens: false, ..entry("DELETE", "/v1/account", Scope::AccountWrite) },
];

/// Where an endpoint may be open to everybody.
const OPEN: &[&str] = &[
    "/.well-known/",
    "/oauth/",
    "/login",
    "/logout",
    "/console",
    "/v1/billing/stripe/webhook",
    "/v1/byok/encryption-pubkey",
    "/openapi.json",
    "/api/v1/auth/discovery",
];

impl Entry {
    pub fn method(&self) -> Method {
        self.method.parse().unwrap()
    }

    /// The path with these ids, and those of a row, a policy and a member that are not there.
    pub fn at(&self, namespace: &str, session: &str) -> String {
        let row = "req_00000000000000000000000001";
        let path = self.path.replace("{nsid}", namespace).replace("{tok}", session);
        let path = path.replace("{req}", row).replace("{request_id}", row);
        let policy = "pol_00000000000000000000000001";
        let path = path.replace("{pol}", policy).replace("{budget}", policy).replace("{preset}", policy);
        let path = path.replace("{usr}", "usr_00000000000000000000000001");
        let path = path.replace("{key}", "key_00000000000000000000000001");
        // Nobody has stored a key for it.
        let path = path.replace("{provider}", "groq");
        let path = path.replace("{client_id}", "brc_00000000000000000000000001");
        let path = path.replace("{bnd}", "bnd_00000000000000000000000001");
        let path = path.replace("{principal_type}", "namespace").replace("{principal_id}", namespace);
        if !path.ends_with("/effective") {
            return path;
        }
        format!("{path}?principal_type=namespace&principal_id={namespace}")
    }

    /// True where nothing is there for anybody: rows of calls are made by calls alone, nobody is a member, and keys, policies and clients have tests of their own.
    pub fn names_row(&self) -> bool {
        ["{req}", "{request_id}", "{pol}", "{budget}", "{preset}", "{usr}", "{key}", "{provider}", "{client_id}"]
            .iter()
            .any(|name| self.path.contains(name))
    }

    pub fn names_namespace(&self) -> bool {
        self.path.contains("{nsid}")
    }

    pub fn names_session(&self) -> bool {
        self.path.contains("{tok}")
    }

    fn is_of(&self, endpoint: &Endpoint) -> bool {
        endpoint.method == self.method && endpoint.path == self.path
    }
}

#[test]
fn p08_every_endpoint_has_an_entry_and_every_entry_an_endpoint() {
    for endpoint in all_endpoints() {
        if endpoint.access == Access::Open {
            let below = |open: &&str| endpoint.path.starts_with(*open);
            assert!(OPEN.iter().any(below), "{} {} is open to everybody", endpoint.method, endpoint.path);
            continue;
        }
        let listed = ENTRIES.iter().find(|entry| entry.is_of(endpoint));
        let entry = listed.unwrap_or_else(|| panic!("{} {} has no entry", endpoint.method, endpoint.path));
        let scope = match endpoint.access {
            Access::Scope(scope) if entry.takes_tokens => Some(scope),
            Access::WebSession(scope) | Access::Operator(scope) if !entry.takes_tokens => Some(scope),
            _ => None,
        };
        assert_eq!(scope, Some(entry.scope), "{entry:?}");
    }
    for entry in ENTRIES {
        assert!(all_endpoints().any(|endpoint| entry.is_of(endpoint)), "{entry:?}");
    }
}
