//! What to run next where a server says no and the daemon knows no command that helps: what is there, and how it is asked for.

use bitrouter_proto::shell;

use super::local::LocalFlags;
use crate::exit::Failure;

/// The failure of the command `verb` (`cloud keys revoke`), with the command that helps.
pub(super) fn advised(failure: Failure, verb: &str, local: &LocalFlags) -> Failure {
    if failure.hint.is_some() {
        return failure;
    }
    let hint = match Trouble::of(&failure) {
        Some(Trouble::Argument) if list(verb).is_some() => format!("bitrouter {verb} --help"),
        Some(Trouble::Absent | Trouble::Conflict) => match list(verb) {
            Some(list) => format!("bitrouter {list}{}", local.words()),
            None => return failure,
        },
        Some(Trouble::Forbidden) if !local.local => "bitrouter auth whoami".to_owned(),
        Some(Trouble::Argument | Trouble::Forbidden) | None => return failure,
    };
    failure.hint(hint)
}

/// The failure of a change of the policy `id`: what is forbidden there is mostly so because of what it is bound to.
pub(super) fn of_policy(failure: Failure, id: &str, local: &LocalFlags) -> Failure {
    match Trouble::of(&failure) {
        Some(Trouble::Forbidden) if !failure.is_all_in_the_hint => {
            failure.hint(format!("bitrouter cloud policy bindings {}{}", shell::quoted(id), local.words()))
        }
        _ => failure,
    }
}

/// The failure of a command about a binding of the policy `id`: it may be another policy's.
pub(super) fn of_binding(failure: Failure, id: &str, local: &LocalFlags) -> Failure {
    match Trouble::of(&failure) {
        Some(Trouble::Absent) if failure.message.contains("binding") => {
            failure.hint(format!("bitrouter cloud policy bindings {}{}", shell::quoted(id), local.words()))
        }
        _ => of_policy(failure, id, local),
    }
}

/// What is wrong, as far as it decides what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// What was sent.
    Argument,
    /// There is no such thing.
    Absent,
    /// As things are it cannot be.
    Conflict,
    /// The caller may not.
    Forbidden,
}

impl Trouble {
    pub(super) fn of(failure: &Failure) -> Option<Self> {
        match (failure.said.as_ref().and_then(|said| said.status), failure.code.as_str()) {
            (Some(400 | 413 | 415), _) | (None, "invalid_argument") => Some(Self::Argument),
            (Some(404), _) | (None, "not_found") => Some(Self::Absent),
            (Some(409), _) | (None, "conflict" | "limit_reached") => Some(Self::Conflict),
            (Some(403), _) => Some(Self::Forbidden),
            _ => None,
        }
    }
}

/// The command that lists what a command is about.
fn list(verb: &str) -> Option<&'static str> {
    Some(match verb.split(' ').nth(1)? {
        "keys" => "cloud keys list",
        "policy" => "cloud policy list",
        "budget" => "cloud budget list",
        "preset" => "cloud preset list",
        "sessions" => "cloud sessions list",
        "byok" => "cloud byok list",
        "oauth-client" => "cloud oauth-client list",
        "requests" => "cloud requests",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ServerSaid;

    fn said(status: u16) -> Failure {
        let said = ServerSaid { status: Some(status), field: None, request_id: None, more: serde_json::Map::new() };
        Failure { said: Some(Box::new(said)), ..Failure::caller("server_refused", "no") }
    }

    fn hint(status: u16, verb: &str, words: &LocalFlags) -> Option<String> {
        advised(said(status), verb, words).hint
    }

    #[test]
    fn a_refusal_says_what_to_run_next() {
        let account = LocalFlags::default();
        let own = LocalFlags { local: true, namespace: Some("a b".to_owned()) };
        for (status, verb, expected) in [
            (400, "cloud policy create", Some("bitrouter cloud policy create --help")),
            (404, "cloud keys revoke", Some("bitrouter cloud keys list")),
            (409, "cloud budget create", Some("bitrouter cloud budget list")),
            (404, "cloud sessions revoke", Some("bitrouter cloud sessions list")),
            (409, "cloud oauth-client register", Some("bitrouter cloud oauth-client list")),
            (404, "cloud requests", Some("bitrouter cloud requests")),
            (403, "cloud keys mint", Some("bitrouter auth whoami")),
            (409, "cloud billing checkout", None),
            (400, "cloud usage", None),
            (429, "cloud keys mint", None),
            (503, "cloud keys list", None),
        ] {
            assert_eq!(hint(status, verb, &account).as_deref(), expected, "{status} {verb}");
        }
        let there = hint(404, "cloud preset get", &own);
        assert_eq!(there.as_deref(), Some("bitrouter cloud preset list --local --namespace 'a b'"));
        assert_eq!(hint(403, "cloud keys mint", &own), None);
        let known = advised(said(404).hint("x"), "cloud keys revoke", &account);
        assert_eq!(known.hint.as_deref(), Some("x"));
        let ours = advised(Failure::caller("not_found", "no"), "cloud keys revoke", &account);
        assert_eq!(ours.hint.as_deref(), Some("bitrouter cloud keys list"));
    }

    #[test]
    fn who_may_not_change_a_policy_is_shown_what_it_is_bound_to() {
        let account = LocalFlags::default();
        let hint = |failure| of_policy(failure, "pol_1", &account).hint;
        assert_eq!(hint(said(403).hint("other")).as_deref(), Some("bitrouter cloud policy bindings pol_1"));
        assert_eq!(hint(said(404)), None);
        let binding = Failure::caller("not_found", "there is no such binding").hint("bitrouter cloud policy list");
        let hint_of = |failure| of_binding(failure, "pol_1", &account).hint;
        assert_eq!(hint_of(binding).as_deref(), Some("bitrouter cloud policy bindings pol_1"));
        let policy = Failure::caller("not_found", "there is no such policy").hint("bitrouter cloud policy list");
        assert_eq!(hint_of(policy).as_deref(), Some("bitrouter cloud policy list"));
        let scope = Failure { is_all_in_the_hint: true, ..said(403).hint("bitrouter auth login --scope \"a\"") };
        assert_eq!(hint(scope).as_deref(), Some("bitrouter auth login --scope \"a\""));
    }
}
