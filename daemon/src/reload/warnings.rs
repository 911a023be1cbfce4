//! What is wrong with the keys in force, as warnings: values that are none, variables of nobody, keys that are gone.

use bitrouter_proto::status::Severity;

use super::{Engine, lost_keys::PushedNames};
use crate::health::{Code, Health, Notice};

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
