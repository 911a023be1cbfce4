//! What a caller is told when its model name leads nowhere.

use bitrouter_proto::codes::InferenceCode;

use crate::{error::InferenceError, registry::Provider, route::Refusal, snapshot::Snapshot};

/// Models that the signed-in account serves.
const ACCOUNT: &str = "bitrouter:";

/// No account is signed in: 402 like any other missing credential.
fn account_missing() -> InferenceError {
    let message = "no account is signed in (`bitrouter auth login` or BITROUTER_API_KEY); this release has no accounts \
                   yet: name a provider whose key you hold, as `provider/model`";
    InferenceError::new(InferenceCode::ProviderKeyMissing, message)
        .with_param("model")
        .with("provider", "bitrouter")
        .with("variables", vec!["BITROUTER_API_KEY"])
}

/// The refusal of `name` as an error that says what would help.
pub(super) fn explain(name: &str, refusal: Refusal<'_>, snapshot: &Snapshot) -> InferenceError {
    let unknown = |message: String| InferenceError::new(InferenceCode::ModelNotFound, message).with_param("model");
    match refusal {
        Refusal::KeyMissing(provider) => key_missing(provider, &format!("no key for `{}`", provider.id())),
        Refusal::Disabled(provider) => {
            let id = provider.id();
            unknown(format!("the provider `{id}` is switched off by `[providers.{id}] enabled = false`"))
                .with("provider", id.as_str())
                .with("suggestions", snapshot.suggestions(name))
        }
        Refusal::DemoOff => unknown("the demo models exist only in demo mode; run `bitrouter serve --demo`".to_owned())
            .with("hint", "bitrouter serve --demo")
            .with("suggestions", snapshot.suggestions(name)),
        Refusal::NotListed(provider, _) if provider.is_demo() => {
            not_found(name, snapshot, "GET /v1/models lists what there is")
        }
        Refusal::NotListed(provider, model) => {
            let id = provider.id();
            not_found(name, snapshot, &format!("`{id}` does not list it; `{id}:{model}` asks it all the same"))
        }
        Refusal::Unknown if name.starts_with(ACCOUNT) => account_missing(),
        Refusal::Unknown => not_found(name, snapshot, "GET /v1/models lists what there is"),
    }
}

/// Nothing serves `name`; `hint` is what to do.
pub(super) fn not_found(name: &str, snapshot: &Snapshot, hint: &str) -> InferenceError {
    let suggestions = snapshot.suggestions(name);
    let shown: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let near = match suggestions.as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}", near.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ")),
    };
    InferenceError::new(InferenceCode::ModelNotFound, format!("no provider serves the model `{shown}`{near} ({hint})"))
        .with_param("model")
        .with("suggestions", suggestions)
}

/// The provider's key is missing or unusable: 402 naming the variables that supply it.
pub(super) fn key_missing(provider: &Provider, what: &str) -> InferenceError {
    let variables = provider.key_variables();
    let message = format!("{what}; set {} and run `bitrouter reload`", variables.join(" or "));
    InferenceError::new(InferenceCode::ProviderKeyMissing, message)
        .with_param("model")
        .with("provider", provider.id().as_str())
        .with("variables", variables)
}
