//! Facts in the words of pages.

use std::{net::IpAddr, time::Duration};

use bitrouter_proto::account::ScopeSet;

/// A scope on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission {
    /// As it stands on the wire.
    pub(super) scope: &'static str,
    /// What it lets a program do, as a sentence begins.
    pub(super) words: String,
    /// True where a person has to tick it by hand.
    pub(super) is_sensitive: bool,
    /// True where it is ticked.
    pub(super) is_ticked: bool,
}

/// `scopes` as a page lists them; without `ticked`, all are but the sensitive ones.
pub(super) fn permissions(scopes: ScopeSet, ticked: Option<ScopeSet>) -> Vec<Permission> {
    let permission = |scope: bitrouter_proto::account::Scope| Permission {
        scope: scope.as_str(),
        words: capital(scope.words()),
        is_sensitive: scope.is_sensitive(),
        is_ticked: ticked.map_or(!scope.is_sensitive(), |ticked| ticked.contains(scope)),
    };
    scopes.iter().map(permission).collect()
}

fn capital(words: &str) -> String {
    let mut rest = words.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// The fragment of an error as a sentence. What stands in backticks in a terminal stands in quotation marks here.
pub(super) fn sentence(fragment: &str) -> String {
    let mut text = capital(fragment);
    for mark in ["“", "”"].into_iter().cycle() {
        match text.find('`') {
            Some(at) => text.replace_range(at..=at, mark),
            None => break,
        }
    }
    format!("{text}.")
}

/// Who asked for a code.
pub(super) fn asker(address: IpAddr, uid: Option<u32>) -> String {
    match (address.to_canonical().is_loopback(), uid) {
        (true, Some(uid)) => format!("a program of user {uid} on this machine ({address})"),
        (true, None) => format!("a program on this machine; whose is not known ({address})"),
        (false, _) => address.to_string(),
    }
}

/// How long ago something was.
pub(super) fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let (count, unit) = match seconds {
        0..5 => return "just now".to_owned(),
        5..60 => (seconds, "second"),
        60..3_570 => ((seconds + 30) / 60, "minute"),
        3_570..84_600 => ((seconds + 1_800) / 3_600, "hour"),
        _ => ((seconds + 43_200) / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use bitrouter_proto::account::Scope;

    use super::*;

    #[test]
    fn ages_are_rounded_to_what_people_say() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (97, "2 minutes ago"),
            (185, "3 minutes ago"),
            (3_569, "59 minutes ago"),
            (3_570, "1 hour ago"),
            (84_599, "23 hours ago"),
            (84_600, "1 day ago"),
            (7_201, "2 hours ago"),
            (200_000, "2 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn fragments_become_sentences() {
        assert_eq!(sentence("there is a namespace `a` already"), "There is a namespace “a” already.");
    }

    #[test]
    fn p08_sensitive_scopes_are_ticked_by_hand() {
        let asked = ScopeSet::of(&[Scope::UsageRead, Scope::BillingWrite]);
        let shown = permissions(asked, None);
        assert_eq!(shown[0].words, "See usage and the list of requests");
        assert_eq!(
            shown.iter().map(|shown| (shown.scope, shown.is_ticked)).collect::<Vec<_>>(),
            [("usage:read", true), ("billing:write", false)]
        );
        let again = permissions(asked, Some(ScopeSet::of(&[Scope::BillingWrite])));
        assert!(!again[0].is_ticked && again[1].is_ticked);
    }
}
