//! What a caller is told when its model name leads nowhere.

use bitrouter_proto::{codes::InferenceCode, key_variable};

use super::context::Caller;
use crate::{
    account::{Account, AccountState},
    error::InferenceError,
    ports::AccountRefused,
    protocol::Dialect,
    registry::{Provider, ProviderId},
    route::RouteRefusal,
    shown_name::shown_name,
    snapshot::Snapshot,
};

/// The refusal of `name`, for a caller who speaks one of `dialects`, as an error that says what would help.
pub(super) fn explain(
    caller: Caller,
    name: &str,
    refusal: RouteRefusal<'_>,
    snapshot: &Snapshot,
    dialects: &[Dialect],
) -> InferenceError {
    // A credential that stands in the place of a model leads to no name either.
    let name = shown_name(name);
    let unknown = |message: String| InferenceError::new(InferenceCode::ModelNotFound, message).with_param("model");
    match refusal {
        RouteRefusal::KeyMissing(provider) => {
            no_credential(caller, snapshot, provider, &format!("no key for `{}`", provider.id()))
        }
        RouteRefusal::Disabled(provider) => {
            let id = provider.id();
            unknown(format!("the provider `{id}` is switched off by `[providers.{id}] enabled = false`"))
                .with("provider", id.as_str())
                .with("suggestions", snapshot.suggestions(caller, name, dialects))
        }
        RouteRefusal::DemoOff => {
            unknown("the demo models exist only in demo mode; run `bitrouter serve --demo`".to_owned())
                .with("hint", "bitrouter serve --demo")
                .with("suggestions", snapshot.suggestions(caller, name, dialects))
        }
        RouteRefusal::NotListed(provider, _) if provider.is_demo() => {
            not_found(caller, name, snapshot, dialects, "GET /v1/models lists what there is")
        }
        RouteRefusal::NotListed(provider, model) => {
            let (id, model) = (provider.id(), shown_name(model));
            not_found(
                caller,
                name,
                snapshot,
                dialects,
                &format!("`{id}` does not list it; `{id}:{model}` asks it all the same"),
            )
        }
        RouteRefusal::NotSpoken(providers) => not_spoken(name, &providers, dialects),
        RouteRefusal::Unknown => not_found(caller, name, snapshot, dialects, "GET /v1/models lists what there is"),
    }
}

/// Nothing serves `name`; `hint` is what to do.
pub(super) fn not_found(
    caller: Caller,
    name: &str,
    snapshot: &Snapshot,
    dialects: &[Dialect],
    hint: &str,
) -> InferenceError {
    let name = shown_name(name);
    let suggestions = snapshot.suggestions(caller, name, dialects);
    let shown: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let near = match suggestions.as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}", near.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ")),
    };
    InferenceError::new(InferenceCode::ModelNotFound, format!("no provider serves the model `{shown}`{near} ({hint})"))
        .with_param("model")
        .with("suggestions", suggestions)
}

/// Who serves `name` speaks something else, and nothing is translated.
fn not_spoken(name: &str, providers: &[&Provider], dialects: &[Dialect]) -> InferenceError {
    let list =
        |dialects: &mut dyn Iterator<Item = Dialect>| dialects.map(Dialect::as_str).collect::<Vec<_>>().join(", ");
    let spoken: Vec<String> =
        providers.iter().map(|p| format!("`{}` speaks {}", p.id(), list(&mut p.dialects()))).collect();
    let asked = list(&mut dialects.iter().copied());
    let shown: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let message = format!(
        "nobody who serves `{shown}` speaks {asked}: {}; call it in that dialect, or name an endpoint for {asked} in a \
         manifest of your own",
        spoken.join(", ")
    );
    let mut protocols: Vec<&str> = providers.iter().flat_map(|p| p.dialects()).map(Dialect::as_str).collect();
    protocols.sort_unstable();
    protocols.dedup();
    let ids: Vec<&str> = providers.iter().map(|provider| provider.id().as_str()).collect();
    let error = InferenceError::new(InferenceCode::ProtocolNotSupported, message).with("protocols", protocols);
    match ids.as_slice() {
        [one] => error.with("provider", *one),
        several => error.with("providers", several),
    }
}

/// Nothing is there that calls of `provider` could be made with.
pub(super) fn no_credential(caller: Caller, snapshot: &Snapshot, provider: &Provider, what: &str) -> InferenceError {
    if !provider.is_account() {
        return match storing(caller, provider) {
            Some(command) => {
                let variables = provider.key_variables();
                let set = format!("set {} and run `bitrouter reload`", variables.join(" or "));
                missing(provider, format!("{what}; {set}, or the owner of the namespace stores one with `{command}`"))
                    .with("hint", command)
            }
            None => key_missing(provider, what),
        };
    }
    let refused = match &snapshot.account.state {
        AccountState::Ended(why) => AccountRefused::Ended(why.clone()),
        AccountState::SignedOut | AccountState::SignedIn | AccountState::OwnNode => AccountRefused::SignedOut,
    };
    account_refused(&snapshot.account, refused)
}

/// The account's stored credential is good for no call now.
pub(super) fn account_refused(account: &Account, refused: AccountRefused) -> InferenceError {
    let sign_in = account.sign_in();
    let error = match refused {
        AccountRefused::SignedOut => {
            let message = "no account is signed in; run `bitrouter auth login`, or set BITROUTER_API_KEY and run \
                           `bitrouter reload`";
            InferenceError::new(InferenceCode::ProviderKeyMissing, message)
                .with_param("model")
                .with("variables", vec![key_variable::ACCOUNT])
        }
        AccountRefused::Ended(why) => InferenceError::new(
            InferenceCode::SessionEnded,
            format!("the session of the account has ended: {why}; run `{sign_in}`"),
        ),
        AccountRefused::OutOfReach(why) => InferenceError::new(
            InferenceCode::UpstreamUnavailable,
            format!("the session of the account cannot be renewed now: {why}; try again, `bitrouter status` says more"),
        ),
        AccountRefused::Unavailable(why) => InferenceError::new(
            InferenceCode::Unavailable,
            format!("the account cannot be used now: {why}; `bitrouter status` says more"),
        ),
    };
    error.with("provider", ProviderId::ACCOUNT)
}

/// The provider's key is missing or unusable: 402 naming the variables that supply it.
pub(super) fn key_missing(provider: &Provider, what: &str) -> InferenceError {
    missing(provider, format!("{what}; set {} and run `bitrouter reload`", provider.key_variables().join(" or ")))
}

fn missing(provider: &Provider, message: String) -> InferenceError {
    InferenceError::new(InferenceCode::ProviderKeyMissing, message)
        .with_param("model")
        .with("provider", provider.id().as_str())
        .with("variables", provider.key_variables())
}

/// The command with which the owner of the caller's namespace stores a key that would pay; `None` where no stored key can.
fn storing(caller: Caller, provider: &Provider) -> Option<String> {
    let local = match caller {
        // Its owner is the node's.
        Caller::Keyless { namespace: Some(_) } => " --local",
        Caller::Credential(_) => "",
        Caller::Keyless { namespace: None } | Caller::Operator(_) | Caller::Anyone => return None,
    };
    provider.takes_byok().then(|| format!("bitrouter cloud byok set --provider {}{local}", provider.id()))
}

/// The call has been here before: an address that the user named leads back to this agent.
pub(super) fn loop_detected(snapshot: &Snapshot) -> InferenceError {
    let user_set = |provider: &&Provider| provider.targets().any(|target| target.user_set) && !provider.is_account();
    let mut providers = snapshot.catalog.providers().filter(user_set);
    let account = snapshot.catalog.account().filter(|account| snapshot.usable(Caller::DAEMON, account));
    // Which of several it was cannot be told, and whoever calls needs no list of them.
    let where_to_look = match (providers.next(), providers.next(), account) {
        (Some(one), None, None) => format!("`[providers.{}] base_url`", one.id()),
        (None, _, Some(_)) => "the server of the account".to_owned(),
        (None, _, None) => "the `base_url` of an agent on its way".to_owned(),
        (Some(_), _, _) => "a `base_url`, or the `api_base` of a stored key,".to_owned(),
    };
    let message = format!(
        "this call came back to an agent that had sent it, or went through more than eight; {where_to_look} leads back here: \
         name the provider's own address"
    );
    InferenceError::new(InferenceCode::LoopDetected, message).with("setting", "base_url")
}
