//! `[node]`, `[node.oauth]`, `[node.byok]` and `[node.stripe]`.

use std::time::Duration;

use bitrouter_node::{CreditRule, OauthSettings, PostgresUrl};
use toml::de::DeTable;

use super::{
    ALL, Reading, Section, ValueError,
    document::{self, dotted},
    parse_duration, set,
};
use crate::config::{Config, Listen, QuantityError, Secret, Stripe, addresses};

pub(super) const NODE: Section = Section {
    name: "node",
    keys: &[
        ("enabled", "true"),
        ("database_url", r#""postgres://ada@db.example/node""#),
        ("listen", r#""10.0.0.5:8443""#),
        ("public_url", r#""https://node.example""#),
        ("trusted_proxies", r#"["127.0.0.1", "10.0.0.0/8"]"#),
        ("credit", r#""off""#),
        ("keep_requests", r#""400d""#),
        ("oauth", ""),
        ("byok", ""),
        ("stripe", ""),
    ],
};
pub(super) const BYOK: Section =
    Section { name: "node.byok", keys: &[("rotate_every", r#""90d""#), ("allow_private", "false")] };
pub(super) const STRIPE: Section = Section {
    name: "node.stripe",
    keys: &[
        ("secret_key", r#""env:STRIPE_KEY""#),
        ("webhook_secret", r#""env:STRIPE_WEBHOOK_SECRET""#),
        ("api_base", r#""https://api.stripe.com""#),
    ],
};
/// Where Stripe's API is.
const STRIPE_API: &str = "https://api.stripe.com";
pub(super) const OAUTH: Section = Section {
    name: "node.oauth",
    keys: &[
        ("access_token_ttl", r#""1h""#),
        ("refresh_token_ttl", r#""90d""#),
        ("session_ttl", r#""365d""#),
        ("refresh_grace", r#""30s""#),
        ("complete_uri", "true"),
        ("device_code_ttl", r#""10m""#),
        ("device_interval", r#""5s""#),
    ],
};

/// Clients are never told to wait longer between two polls.
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// Clients are told in whole seconds how long their code is good (RFC 8628 §3.2).
const SHORTEST_CODE: Duration = Duration::from_secs(1);

/// What `[node] credit` can be.
const CREDIT: &[&str] = &["off", "required"];

fn credit_rule(word: &str) -> Option<CreditRule> {
    match word {
        "off" => Some(CreditRule::Off),
        "required" => Some(CreditRule::Required),
        _ => None,
    }
}

impl<'t> Reading<'_, 't> {
    pub(super) fn node(&mut self, table: &DeTable<'t>, config: &mut Config) {
        let node = &mut config.node;
        let enabled = self.document.read(table, NODE.name, &NODE, "enabled", document::truth);
        set(&mut node.enabled, enabled);
        let database =
            self.document.read(table, NODE.name, &NODE, "database_url", |value| match document::text(value)? {
                "" => Ok(None),
                url => {
                    let secret = Secret::parse(url).map_err(ValueError::new)?;
                    // What stands elsewhere is looked at when it is found.
                    secret.value().cloned().map(PostgresUrl::parse).transpose()?;
                    Ok(Some(secret))
                }
            });
        set(&mut node.database_url, database);
        let public_url =
            self.document.read(table, NODE.name, &NODE, "public_url", |value| match document::text(value)? {
                "" => Ok(None),
                url => Ok(Some(url.parse()?)),
            });
        let has_public_url = !matches!(&public_url, Some(None)) && table.contains_key("public_url");
        set(&mut node.public_url, public_url);
        let listen = self.document.read(table, NODE.name, &NODE, "listen", |value| match document::text(value)? {
            "" => Ok(None),
            // What links, sign-in and `Host` go by there.
            _ if !has_public_url => {
                Err(ValueError::new("needs `node.public_url`: the address at which its team reaches it"))
            }
            listen => Ok(Some(listen.parse::<Listen>()?)),
        });
        set(&mut node.listen, listen);
        let proxies = self.document.read(table, NODE.name, &NODE, "trusted_proxies", |value| {
            document::list(value, |network| Ok(network.parse()?))
        });
        set(&mut node.trusted_proxies, proxies);
        let credit =
            self.document.read(table, NODE.name, &NODE, "credit", |value| document::word(value, CREDIT, credit_rule));
        let keep = self
            .document
            .read(table, NODE.name, &NODE, "keep_requests", |value| Ok(parse_duration(document::text(value)?)?));
        set(&mut node.keep_requests, keep);
        if let Some(oauth) = self.document.table(table, NODE.name, "oauth") {
            self.document.only_known(oauth, &dotted(NODE.name, "oauth"), &OAUTH, ALL, |_| None);
            self.oauth(oauth, &mut node.oauth);
        }
        if let Some(byok) = self.document.table(table, NODE.name, "byok") {
            self.document.only_known(byok, BYOK.name, &BYOK, ALL, |_| None);
            let every = self
                .document
                .read(byok, BYOK.name, &BYOK, "rotate_every", |value| Ok(parse_duration(document::text(value)?)?));
            set(&mut node.byok.rotate_every, every);
            let private = self.document.read(byok, BYOK.name, &BYOK, "allow_private", document::truth);
            set(&mut node.byok.allow_private, private);
        }
        if let Some(stripe) = self.document.table(table, NODE.name, "stripe") {
            self.document.only_known(stripe, STRIPE.name, &STRIPE, ALL, |_| None);
            node.stripe = self.stripe(stripe, table);
        }
        // Who sells credit means to be paid by others than himself.
        let usual = if node.stripe.is_some() { CreditRule::RequiredOfOthers } else { node.credit };
        node.credit = credit.unwrap_or(usual);
    }

    fn stripe(&mut self, table: &DeTable<'t>, parent: &DeTable<'t>) -> Option<Stripe> {
        let mut secret = |key: &'static str| {
            if !table.contains_key(key)
                && let Some((name, _)) = parent.get_key_value("stripe")
            {
                let example = STRIPE.keys.iter().find(|(known, _)| *known == key).map_or("", |(_, example)| example);
                let message = format!("`{}` is missing; for example `{key} = {example}`", dotted(STRIPE.name, key));
                self.document.problem(&name.span(), message);
            }
            self.document.read(table, STRIPE.name, &STRIPE, key, |value| {
                Secret::parse(document::text(value)?).map_err(ValueError::new)
            })
        };
        let (secret_key, webhook_secret) = (secret("secret_key"), secret("webhook_secret"));
        let api_base = self.document.read(table, STRIPE.name, &STRIPE, "api_base", |value| {
            addresses::server_url(document::text(value)?).map_err(ValueError::new)
        });
        let api_base = api_base.unwrap_or_else(|| STRIPE_API.to_owned());
        Some(Stripe { secret_key: secret_key?, webhook_secret: webhook_secret?, api_base })
    }

    fn oauth(&mut self, table: &DeTable<'t>, oauth: &mut OauthSettings) {
        for (key, target) in [
            ("access_token_ttl", &mut oauth.access_token_ttl),
            ("refresh_token_ttl", &mut oauth.refresh_token_ttl),
            ("session_ttl", &mut oauth.session_ttl),
        ] {
            let time =
                self.document.read(table, OAUTH.name, &OAUTH, key, |value| Ok(parse_duration(document::text(value)?)?));
            set(target, time);
        }
        let code = self.document.read(table, OAUTH.name, &OAUTH, "device_code_ttl", |value| {
            match parse_duration(document::text(value)?)? {
                code if code < SHORTEST_CODE => Err(ValueError::new("must be 1s or longer")),
                code => Ok(code),
            }
        });
        set(&mut oauth.device_code_ttl, code);
        let grace = self.document.read(table, OAUTH.name, &OAUTH, "refresh_grace", |value| {
            match parse_duration(document::text(value)?) {
                // No time at all: the first use of the new token ends the grace.
                Err(QuantityError::Zero) => Ok(Duration::ZERO),
                read => Ok(read?),
            }
        });
        set(&mut oauth.refresh_grace, grace);
        let interval =
            self.document.read(table, OAUTH.name, &OAUTH, "device_interval", |value| {
                match parse_duration(document::text(value)?)? {
                    interval if interval > LONGEST_INTERVAL => Err(ValueError::new("must not be longer than 30s")),
                    interval => Ok(interval),
                }
            });
        set(&mut oauth.device_interval, interval);
        let complete_uri = self.document.read(table, OAUTH.name, &OAUTH, "complete_uri", document::truth);
        set(&mut oauth.complete_uri, complete_uri);
    }
}
