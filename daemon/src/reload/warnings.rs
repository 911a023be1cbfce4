//! What is wrong with what was read, as warnings: values that are no keys, variables of nobody, keys that are gone, and those
//! that others could read on their way to us.

use std::net::SocketAddr;

use bitrouter_proto::status::Severity;

use super::{Engine, engine::Bound, lost_keys::PushedNames};
use crate::{
    config::{Node, PublicUrl},
    health::{Code, Health, Notice},
};

/// Variables of nobody that a warning names; more are counted.
const NAMED: usize = 8;

/// Raises what is wrong with the keys in force, and clears what no longer is.
pub(super) fn about_keys(health: &Health, engine: &Engine, names: &PushedNames) {
    let Engine { loaded, keys, account, .. } = engine;
    let unknown_variables: Vec<String> = keys.unknown_variables().iter().map(ToString::to_string).collect();
    let more = match unknown_variables.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let told = unknown_variables.get(..NAMED).unwrap_or(&unknown_variables).join("; ") + &more;
    let message = (!told.is_empty()).then_some(told);
    health.set(Code::UnknownKeyVariable, message, None);
    let ignored = keys.rejected().iter().map(|value| Notice {
        subject: format!("{} {}", value.name, value.origin),
        message: value.to_string(),
        severity: if value.stand_in { Severity::Info } else { Severity::Warning },
    });
    health.set_each(Code::KeyValueIgnored, ignored.collect(), None);
    let nothing =
        !loaded.catalog.providers().any(|provider| {
            provider.enabled() && (provider.is_demo() || provider.configured() && !provider.needs_key())
        }) && keys.secrets().next().is_none()
            && !account.is_signed_in();
    let text = "no provider has a key; export one and run `bitrouter reload` in that shell";
    health.set(Code::NoProviderKey, nothing.then(|| text.to_owned()), Some("bitrouter reload"));
    health.set(Code::PushedKeysLost, names.warning(), Some("bitrouter reload"));
}

/// Raises that keys would cross a network in clear, and clears it where they would not.
pub(super) fn about_networks(health: &Health, engine: &Engine) {
    let bound = engine.bound.clone().unwrap_or_default();
    health.set(Code::KeysInClear, in_clear(&bound, &engine.config().node), None);
}

/// Where keys would come in clear: at an address of a network, unless a proxy that speaks https is in front.
fn in_clear(Bound { here, team }: &Bound, node: &Node) -> Option<String> {
    let is_behind_https = node.public_url.as_ref().is_some_and(PublicUrl::is_https) && !node.trusted_proxies.is_empty();
    let on_a_network = |listens: &[SocketAddr]| -> Vec<String> {
        let open = listens.iter().filter(|at| !at.ip().to_canonical().is_loopback());
        open.map(ToString::to_string).collect()
    };
    let named: Vec<String> = [("[server] listen", here), ("[node] listen", team)]
        .into_iter()
        .map(|(setting, listens)| (setting, on_a_network(listens)))
        .filter(|(_, open)| !open.is_empty() && !is_behind_https)
        .map(|(setting, open)| format!("`{setting}` ({})", open.join(", ")))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "other machines reach {} over plain http, so that keys and tokens cross the network in clear; put a proxy that \
             speaks https in front, and name it: `[node] public_url` and `trusted_proxies`",
            named.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_clear_are_told_where_others_reach_us_without_https() {
        let at = |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|at| at.parse().unwrap()).collect() };
        let url = |url: &str| Some(url.parse().unwrap());
        let trusted = vec!["10.0.0.2".parse().unwrap()];
        let plain = Node::default();
        let unnamed = Node { public_url: url("https://node.example"), ..Node::default() };
        let meant = Node { trusted_proxies: trusted.clone(), ..unnamed.clone() };
        let http = Node { public_url: url("http://127.0.0.1:8443"), trusted_proxies: trusted, ..Node::default() };
        let here = &["127.0.0.1:1", "[::1]:1", "127.0.0.9:1", "[::ffff:127.0.0.1]:1"][..];
        for (server, team, node, named) in [
            (here, &[][..], &plain, &[][..]),
            (here, here, &unnamed, &[]),
            (&["0.0.0.0:1"], &[], &plain, &["`[server] listen` (0.0.0.0:1)"]),
            (&["[::]:1"], &[], &unnamed, &["`[server] listen` ([::]:1)"]),
            (&["127.0.0.1:1", "192.0.2.7:1"], &[], &plain, &["`[server] listen` (192.0.2.7:1)"]),
            (here, &["10.0.0.5:2"], &unnamed, &["`[node] listen` (10.0.0.5:2)"]),
            (here, &["10.0.0.5:2"], &http, &["`[node] listen` (10.0.0.5:2)"]),
            (
                &["0.0.0.0:1"],
                &["10.0.0.5:2"],
                &plain,
                &["`[server] listen` (0.0.0.0:1) and `[node] listen` (10.0.0.5:2)"],
            ),
            (&["0.0.0.0:1"], &["10.0.0.5:2"], &meant, &[]),
        ] {
            let said = in_clear(&Bound { here: at(server), team: at(team) }, node);
            assert_eq!(said.is_some(), !named.is_empty(), "{server:?} {team:?}");
            assert!(named.iter().all(|named| said.as_deref().is_some_and(|said| said.contains(named))), "{said:?}");
        }
    }
}
