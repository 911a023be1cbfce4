//! Which settings differ between two readings, and which of them a running daemon cannot take over.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Config, Node, ProviderSettings, Secret, Stripe};
use crate::nearest::shown;

/// The settings that are read once, when the daemon starts.
const NEED_RESTART: [&str; 6] =
    ["server.listen", "log.format", "node.enabled", "node.database_url", "node.listen", "node.public_url"];

impl Config {
    /// The dotted keys of everything that differs, sorted.
    pub fn changed(old: &Self, new: &Self) -> Vec<String> {
        // Taken apart, so that a new setting is not forgotten here.
        let Self { env_files, server, log, timeouts, providers, routing, aliases, account, node } = new;
        let mut keys = BTreeSet::new();
        let mut differs = |differs: bool, key: &str| {
            if differs {
                keys.insert(key.to_owned());
            }
        };
        differs(*env_files != old.env_files, "env_files");
        differs(server.listen != old.server.listen, "server.listen");
        differs(server.keyless != old.server.keyless, "server.keyless");
        differs(server.allow_hosts != old.server.allow_hosts, "server.allow_hosts");
        differs(server.allow_origins != old.server.allow_origins, "server.allow_origins");
        differs(server.max_body != old.server.max_body, "server.max_body");
        differs(log.level != old.log.level, "log.level");
        differs(log.format != old.log.format, "log.format");
        differs(timeouts.connect != old.timeouts.connect, "timeouts.connect");
        differs(timeouts.first_byte != old.timeouts.first_byte, "timeouts.first_byte");
        differs(timeouts.between_chunks != old.timeouts.between_chunks, "timeouts.between_chunks");
        differs(timeouts.total != old.timeouts.total, "timeouts.total");
        differs(routing.prefer != old.routing.prefer, "routing.prefer");
        let Account { oauth_as, client_id, scope } = account;
        differs(*oauth_as != old.account.oauth_as, "account.oauth_as");
        differs(*client_id != old.account.client_id, "account.client_id");
        differs(*scope != old.account.scope, "account.scope");
        let Node {
            enabled,
            database_url,
            listen,
            public_url,
            trusted_proxies,
            oauth,
            credit,
            keep_requests,
            byok,
            stripe,
        } = node;
        differs(*enabled != old.node.enabled, "node.enabled");
        differs(*database_url != old.node.database_url, "node.database_url");
        differs(*listen != old.node.listen, "node.listen");
        differs(*public_url != old.node.public_url, "node.public_url");
        differs(*trusted_proxies != old.node.trusted_proxies, "node.trusted_proxies");
        differs(*credit != old.node.credit, "node.credit");
        differs(*keep_requests != old.node.keep_requests, "node.keep_requests");
        differs(byok.rotate_every != old.node.byok.rotate_every, "node.byok.rotate_every");
        differs(byok.allow_private != old.node.byok.allow_private, "node.byok.allow_private");
        let (now, before) = (stripe.as_ref(), old.node.stripe.as_ref());
        let changes = |of: fn(&Stripe) -> &Secret| now.map(of) != before.map(of);
        differs(changes(|stripe| &stripe.secret_key), "node.stripe.secret_key");
        differs(changes(|stripe| &stripe.webhook_secret), "node.stripe.webhook_secret");
        differs(now.map(|now| &now.api_base) != before.map(|before| &before.api_base), "node.stripe.api_base");
        let (now, before) = (oauth, &old.node.oauth);
        differs(now.access_token_ttl != before.access_token_ttl, "node.oauth.access_token_ttl");
        differs(now.refresh_token_ttl != before.refresh_token_ttl, "node.oauth.refresh_token_ttl");
        differs(now.session_ttl != before.session_ttl, "node.oauth.session_ttl");
        differs(now.refresh_grace != before.refresh_grace, "node.oauth.refresh_grace");
        differs(now.complete_uri != before.complete_uri, "node.oauth.complete_uri");
        differs(now.device_code_ttl != before.device_code_ttl, "node.oauth.device_code_ttl");
        differs(now.device_interval != before.device_interval, "node.oauth.device_interval");
        for alias in names(aliases, &old.aliases) {
            differs(aliases.get(alias) != old.aliases.get(alias), &format!("aliases.{}", shown(alias)));
        }
        let none = ProviderSettings::default();
        for id in names(providers, &old.providers) {
            let (now, before) = (providers.get(id).unwrap_or(&none), old.providers.get(id).unwrap_or(&none));
            differs(now.base_url != before.base_url, &format!("providers.{id}.base_url"));
            differs(now.env != before.env, &format!("providers.{id}.env"));
            differs(now.enabled != before.enabled, &format!("providers.{id}.enabled"));
        }
        keys.into_iter().collect()
    }

    /// The keys whose change a running daemon cannot take over: a reload that would need one of them is refused.
    pub fn needs_restart(old: &Self, new: &Self) -> Vec<&'static str> {
        let changed = Self::changed(old, new);
        NEED_RESTART.into_iter().filter(|key| changed.iter().any(|changed| changed == key)).collect()
    }
}

/// The keys of both tables.
fn names<'a, T>(new: &'a BTreeMap<String, T>, old: &'a BTreeMap<String, T>) -> BTreeSet<&'a str> {
    new.keys().chain(old.keys()).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Keyless, Level, LogFormat};

    #[test]
    fn what_is_read_once_needs_a_restart() {
        let old = Config::default();
        let mut new = old.clone();
        new.log.level = Level::Trace;
        new.server.keyless = Keyless::Never;
        new.timeouts.total = Duration::from_secs(1);
        new.aliases.insert("a".into(), "b".into());
        new.node.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        assert!(Config::needs_restart(&old, &new).is_empty());
        new.log.format = LogFormat::Json;
        assert_eq!(Config::needs_restart(&old, &new), ["log.format"]);
        new.server.listen = "127.0.0.1:1".parse().unwrap();
        assert_eq!(Config::needs_restart(&old, &new), ["server.listen", "log.format"]);
        new.node.oauth.complete_uri = false;
        new.node.enabled = false;
        new.node.public_url = Some("https://node.example".parse().unwrap());
        new.node.listen = Some("127.0.0.1:2".parse().unwrap());
        assert_eq!(
            Config::needs_restart(&old, &new),
            ["server.listen", "log.format", "node.enabled", "node.listen", "node.public_url"]
        );
    }

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let old = Config::default();
        assert!(Config::changed(&old, &old).is_empty());
        let mut new = old.clone();
        new.timeouts.total = Duration::from_secs(1);
        new.aliases.insert("fast".into(), "openai:m".into());
        new.providers.insert("openai".into(), ProviderSettings { enabled: Some(false), ..ProviderSettings::default() });
        // A section that says nothing changes nothing.
        new.providers.insert("groq".into(), ProviderSettings::default());
        let keys = ["aliases.fast", "providers.openai.enabled", "timeouts.total"];
        assert_eq!(Config::changed(&old, &new), keys);
        assert_eq!(Config::changed(&new, &old), keys);
    }
}
